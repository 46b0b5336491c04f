"""What is promised, measured: ``python -m benchmarks.<name> --data DATA``, from the repository root.

``guarantee`` what leaks of a passage, ``false_alarms`` what is touched and held of ordinary text,
``index_build`` what an index costs, ``scan_cost`` what scanning costs, ``ner`` what the recognizers find.

DATA is a folder of third-party sets under their own licences, which are not part of this project; the
docstring of each program names the files it reads. Results that are kept lie in ``results/``. A shared or
busy machine shows in the times, not in the counts: times are CPU times, and medians where they are repeated.
"""
