"""``sluicegate serve``: the proxy in front of a model.

May import: ``proxy.server``, inside functions. The rule
that must stay true: everything that guards is opened before the
first request is taken.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from proxy.cli.options import (
    Subparsers,
    command,
    index_option,
    milliseconds,
    option,
    policy_option,
    port,
    positive,
    state_file,
    state_option,
    trail_option,
)
from proxy.cli.parsing import Fault
from proxy.errors import ProxyError
from proxy.server.settings import DEFAULTS, METRICS_PORT, Settings

if TYPE_CHECKING:
    from proxy.server.state import House
    from proxy.server.workers import Workers

ACT = 2
_MB = 1024 * 1024
_SHARED = "shared"
_log = logging.getLogger("sluicegate")

_EXAMPLES = """\
  sluicegate serve --index chats.idx --upstream http://127.0.0.1:8000/v1
  SLUICEGATE_UPSTREAM_KEY=... sluicegate serve --index chats.idx \\
      --upstream https://llm.example/v1 --policy strict
"""


def add(commands: Subparsers) -> None:
    serve = command(commands, "serve", "Guard a model: an OpenAI-compatible proxy.", run, _EXAMPLES)
    index_option(serve)
    option(serve, "--upstream", metavar="URL", help="Base URL of the model, as for an OpenAI client")
    option(
        serve,
        "--upstreams",
        type=Path,
        metavar="FILE",
        help="In place of --upstream: servers for each model, as YAML",
    )
    option(
        serve,
        "--allow-older",
        action="store_true",
        default=DEFAULTS["allow_older"],
        help="Serve an index that is older than one that was served before; the trail records it",
    )
    option(
        serve,
        "--verify",
        choices=("before", "later"),
        default=DEFAULTS["verify"],
        help="When the sums of an index are checked: before it serves, about a second a gigabyte, or later, "
        "while it serves; a wrong one then stops the serving",
    )
    policy_option(serve)
    state_option(serve)
    trail_option(serve)
    _setting(
        serve,
        "trail-size",
        "MB",
        "Size at which a file of the trail is rotated",
        default=DEFAULTS["trail_size"] // _MB,
    )
    _setting(serve, "trail-files", "N", "Rotated files of the trail that are kept")
    option(serve, "--host", default=DEFAULTS["host"], help="Address to listen on")
    option(serve, "--port", type=port, default=DEFAULTS["port"], metavar="N", help="Port to listen on")
    option(
        serve,
        "--metrics-port",
        type=_metrics_port,
        default=None,
        metavar="N",
        help="Port for /metrics and the details of /readyz; 'shared': /metrics is on the clients' port",
        shown=f"{METRICS_PORT}, or any free port where that is taken",
    )
    option(
        serve,
        "--metrics-host",
        default=DEFAULTS["metrics_host"],
        metavar="HOST",
        help="Address for --metrics-port",
    )
    _setting(serve, "workers", "N", "Processes that serve")
    _setting(serve, "max-body", "BYTES", "Largest request body")
    option(
        serve,
        "--log-format",
        choices=("text", "json"),
        default=DEFAULTS["log_format"],
        help="Form of the log: text has events, for people; json has every request too, an object a line",
    )
    option(
        serve,
        "--log-level",
        choices=("debug", "info", "warning", "error"),
        default=DEFAULTS["log_level"],
        help="Least severe level that is logged",
    )
    option(
        serve,
        "--traces",
        action="store_true",
        default=DEFAULTS["traces"],
        help="Send OpenTelemetry spans, without content, to OTEL_EXPORTER_OTLP_ENDPOINT",
    )
    _setting(serve, "keep-alive", "SECONDS", "Silence in a stream after which a comment is sent")
    option(
        serve,
        "--gather",
        type=milliseconds,
        default=round(DEFAULTS["gather"] * 1000),
        metavar="MS",
        help="Collect streamed chunks for up to MS milliseconds and check them together; the first text "
        "never waits; 0 checks each chunk at once",
    )
    _setting(serve, "grace", "SECONDS", "Time to let running answers finish at shutdown")
    _setting(serve, "head-timeout", "SECONDS", "Time for a request's head to arrive")
    _setting(serve, "body-timeout", "SECONDS", "Time for a request's body to arrive")
    _setting(serve, "idle-timeout", "SECONDS", "Time between two requests of a connection")
    _setting(
        serve,
        "connections",
        "N",
        "Client connections of a worker; beyond that number, those without a request give way",
    )


def _setting(
    serve: argparse.ArgumentParser, name: str, metavar: str, text: str, default: int | None = None
) -> None:
    """Add a positive number, with the default of the setting of the same name."""
    chosen = int(DEFAULTS[name.replace("-", "_")]) if default is None else default
    option(serve, f"--{name}", type=positive, default=chosen, metavar=metavar, help=text)


def _metrics_port(text: str) -> int | str:
    return text if text == _SHARED else port(text)


def _chosen_metrics_port(options: argparse.Namespace) -> int | None:
    if options.metrics_port == _SHARED:
        return None
    chosen: int = METRICS_PORT if options.metrics_port is None else options.metrics_port
    return chosen


def run(options: argparse.Namespace, environment: Mapping[str, str]) -> int:
    from proxy.server.logs import configure

    if (options.upstream is None) == (options.upstreams is None):
        raise Fault(
            "give --upstream URL or --upstreams FILE, one of them (SLUICEGATE_UPSTREAM and "
            "SLUICEGATE_UPSTREAMS count too)"
        )
    settings = settings_of(options)
    configure(settings.log_format, settings.log_level)
    if settings.log_format == "json":
        return _logged(settings, environment, options.unknown_variables)
    return _with_scratch(settings, environment)


def settings_of(options: argparse.Namespace) -> Settings:
    """Return the settings that the options of the command say."""
    return Settings(
        index=options.index,
        upstream=options.upstream,
        upstreams=options.upstreams,
        state=state_file(options),
        redis=options.state if isinstance(options.state, str) else None,
        policy=options.policy,
        trail=options.trail,
        host=options.host,
        port=options.port,
        metrics_port=_chosen_metrics_port(options),
        metrics_port_fixed=options.metrics_port is not None,
        metrics_host=options.metrics_host,
        workers=options.workers,
        max_body=options.max_body,
        keep_alive=options.keep_alive,
        gather=options.gather / 1000,
        grace=options.grace,
        head_timeout=options.head_timeout,
        body_timeout=options.body_timeout,
        idle_timeout=options.idle_timeout,
        connections=options.connections,
        log_format=options.log_format,
        log_level=options.log_level,
        traces=options.traces,
        trail_size=options.trail_size * _MB,
        trail_files=options.trail_files,
        allow_older=options.allow_older,
        verify=options.verify,
    )


def _logged(settings: Settings, environment: Mapping[str, str], unknown: Sequence[str]) -> int:
    """Serve; what ends the server is logged, so that the error stream holds JSON and nothing else."""
    for line in unknown:
        _log.warning("%s", line)
    try:
        return _with_scratch(settings, environment)
    except (ProxyError, Fault) as error:
        for line in str(error).splitlines():
            _log.error("%s", line)
        return ACT
    except KeyboardInterrupt:
        _log.info("interrupted")
        return 130
    except OSError as error:
        _log.error("%s%s", f"{error.filename}: " if error.filename else "", error.strerror or error)
        return ACT
    except Exception:
        _log.exception("the server failed")
        return 1


def _with_scratch(settings: Settings, environment: Mapping[str, str]) -> int:
    with tempfile.TemporaryDirectory(prefix="sluicegate-") as scratch:
        if settings.workers > 1:
            # Read by prometheus_client when it is first imported: set before any metric exists.
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = scratch
        return _serve(settings, environment)


def _serve(settings: Settings, environment: Mapping[str, str]) -> int:
    import uvicorn

    from proxy.metrics import worker_ended
    from proxy.server import start
    from proxy.server.app import create_app, open_house, spare_collector
    from proxy.server.audiences import warn_of_unnamed
    from proxy.server.draining import DrainingServer
    from proxy.server.listen import metrics_server, open_port, raise_file_limit, server_options
    from proxy.server.logs import catch_the_rest
    from proxy.server.loops import check_not_itself
    from proxy.server.workers import Workers

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until it can be heeded, it must not kill
    raise_file_limit(settings.connections)
    with ExitStack() as opened:
        listener = opened.enter_context(open_port(settings.host, settings.port))
        house = open_house(settings, environment)  # faults are reported here, before any worker starts
        opened.callback(house.trail.close)
        opened.callback(house.keys.close)
        check_not_itself(listener, start.addresses(house.upstream))
        workers = Workers(settings, listener, environment) if settings.workers > 1 else None
        details = house.details if workers is None else _details_of(workers, settings, environment)
        metrics_port = opened.enter_context(metrics_server(settings, house.metrics, details))
        catch_the_rest()
        _introduce(settings, house, listener.getsockname()[1], metrics_port)
        start.warn_of_no_keys(house.keys, settings)
        warn_of_unnamed(house.firewall.policy, house.firewall.index.audiences)
        start.warn_of_silent_upstreams(house)
        if workers is None:
            app = create_app(house)
            spare_collector()
            server = DrainingServer(uvicorn.Config(app, **server_options(settings, house.metrics)))
            server.run([listener])
            if server.interrupted:
                raise KeyboardInterrupt
            return 0
        if house.reloader is not None:
            house.reloader.close()
        if house.check is not None:
            house.check.close()
        house.keys.close()
        if house.traces is not None:
            house.traces.close()
        worker_ended(os.getpid())  # what this process has opened is served by none
        workers.run()
    return 0


def _details_of(
    workers: Workers, settings: Settings, environment: Mapping[str, str]
) -> Callable[[], Mapping[str, object]]:
    from proxy.server.start import workers_details

    return lambda: workers_details(settings, environment, workers.pids())


def _introduce(settings: Settings, house: House, port: int, metrics_port: int | None) -> None:
    policy, index = house.firewall.policy, house.firewall.index
    _log.info(
        "policy %s (%s); index %s: %d documents, audiences %s; upstream %s",
        policy.name,
        policy.version,
        settings.index,
        index.manifest.documents,
        ", ".join(index.audiences),
        settings.upstream or settings.upstreams,
    )
    _log.info("listening on %s/v1", _address(settings.host, port))
    if metrics_port is not None:
        _log.info("metrics on %s/metrics", _address(settings.metrics_host, metrics_port))
    elif settings.host not in ("127.0.0.1", "::1", "localhost"):
        _log.warning("/metrics is on the clients' port: whoever reaches it reads roles, rules and rates")


def _address(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
