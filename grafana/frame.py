"""The common parts of the dashboards: variables, links, time ranges."""

from __future__ import annotations

from collections.abc import Iterable

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.models import dashboard as model

from exporter.metrics.catalog import ACCOUNT_INFO, BUILD_INFO, JOBS, Metric
from grafana import trust
from grafana.panels import DATASOURCE, TAG, Panel
from grafana.queries import series

# With /probe each account is a target, in addition to the exporter itself.
_TARGETS = f'__name__=~"{BUILD_INFO.name}|{ACCOUNT_INFO.name}"'

_RANGE = "${__url_time_range}"
JOB_LINKS = (
    (
        "This job",
        "/d/vod-job?${datasource:queryparam}&var-account=${__data.fields.Account}&var-job_id=${__value.raw}&" + _RANGE,
    ),
    ("On the status page", "${status_page}/?q=${__value.raw}"),
)
ACCOUNT_LINKS = (("Jobs of this account", "/d/vod-jobs?${datasource:queryparam}&var-account=${__value.raw}&" + _RANGE),)
_OF_DEFINITION = "${datasource:queryparam}&${account:queryparam}&var-definition=${__value.raw}&" + _RANGE
DEFINITION_LINKS = (("Jobs of this definition", "/d/vod-jobs?" + _OF_DEFINITION),)
RUNBOOKS = "https://github.com/vod-transcode-exporter/vod-transcode-exporter/blob/main/docs/runbooks/"


def dashboard(
    uid: str,
    title: str,
    description: str,
    *,
    since: str,
    refresh: str,
    variables: Iterable[build.QueryVariable | build.CustomVariable | build.TextBoxVariable],
    show_targets: bool = False,
) -> build.Dashboard:
    """An empty dashboard. It is read-only in Grafana: save a copy there, or change this code."""
    made = build.Dashboard(title).uid(uid).description(description).tags([TAG]).readonly()
    made.time(since, "now").refresh(refresh).timezone("browser").tooltip(model.DashboardCursorSync.CROSSHAIR)
    made.link(
        build.DashboardLink("Other dashboards of the exporter")
        .type(model.DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .include_vars(True)
        .keep_time(True)
    )
    made.with_variable(build.DatasourceVariable("datasource").label("Data source").type("prometheus"))
    hide = model.VariableHide.DONT_HIDE if show_targets else model.VariableHide.HIDE_VARIABLE
    made.with_variable(_choice("job", "Job", f"{{{_TARGETS}}}").hide(hide))
    made.with_variable(_choice("instance", "Instance", f'{{{_TARGETS}, job=~"$job"}}').hide(hide))
    for variable in variables:
        made.with_variable(variable)
    return made


def account() -> build.QueryVariable:
    return _choice("account", "Account", f'{ACCOUNT_INFO.name}{{job=~"$job", instance=~"$instance"}}')


def definition() -> build.QueryVariable:
    return _choice("definition", "Definition", _of_accounts(JOBS))


def status_page() -> build.TextBoxVariable:
    description = "The URL of the exporter, as your browser reaches it: tables link to its status page"
    return text("status_page", "Status page", "http://localhost:10870", description)


def text(name: str, label: str, default: str, description: str) -> build.TextBoxVariable:
    chosen = model.VariableOption(selected=True, text=default, value=default)
    variable = build.TextBoxVariable(name).label(label).description(description).default_value(default)
    return variable.current(chosen).options([chosen])


def choice(name: str, label: str, values: Iterable[str], default: str, description: str) -> build.CustomVariable:
    chosen = model.VariableOption(selected=True, text=default, value=default)
    options = [model.VariableOption(selected=value == default, text=value, value=value) for value in values]
    variable = build.CustomVariable(name).label(label).description(description).values(",".join(values))
    return variable.current(chosen).options(options)


def opening(made: build.Dashboard, *panels: Panel) -> None:
    """The first row, without a title: whether the figures can be trusted, then `panels`."""
    for panel in (*trust.panels(), *panels):
        made.with_panel(panel)


def section(made: build.Dashboard, title: str, *panels: Panel) -> None:
    """A row with its panels."""
    made.with_row(build.Row(title))
    for panel in panels:
        made.with_panel(panel)


def folded(made: build.Dashboard, title: str, *panels: Panel) -> None:
    """A row whose panels are shown, and asked for, once a person opens it."""
    row = build.Row(title).collapsed(True)
    for panel in panels:
        row.with_panel(panel)
    made.with_row(row)


def _of_accounts(metric: Metric) -> str:
    return series(metric).replace(', definition=~"$definition"', "")


def _choice(name: str, label: str, of: str) -> build.QueryVariable:
    """A variable for one, several or all values of a label."""
    return (
        build.QueryVariable(name)
        .label(label)
        .datasource(DATASOURCE)
        .query(f"label_values({of}, {name})")
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.NATURAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".+")
        .current(model.VariableOption(selected=True, text="All", value="$__all"))
    )
