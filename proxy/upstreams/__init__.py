"""The upstreams: model servers, as the relay reaches them.

``openai.py`` reaches any server that speaks OpenAI's API; ``scripted.py`` is such a server, made of a
script, for tests and benchmarks. Each is imported where it is used: importing this package loads no
HTTP library. May import: the ground floor.
"""
