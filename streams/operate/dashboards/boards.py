"""
Boards: panels below a choice of session and account, and the JSON that Grafana reads.

The JSON is the same on every run, so that a change of a board shows in its file and nowhere else.
"""

from collections.abc import Sequence
from typing import NamedTuple

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog import builder as cog
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as models

from streams.operate.dashboards.panels import POSTGRES, PROMETHEUS, Panel

# Where a query is to hold for the chosen session and account; Grafana quotes the values.
SESSION = "session = ${session:sqlstring}"
ACCOUNT = f"{SESSION} AND account = ${{account:sqlstring}}"

# The same in PromQL: sessions whose processes are asked.
LIVE_SESSION = 'session="$session"'

TAG = "cdb"

Variable = cog.Builder[models.VariableModel]


class Board(NamedTuple):
    """One page of Grafana, in reading order."""

    uid: str
    title: str
    variables: Sequence[Variable]
    panels: Sequence[Panel]

    def document(self) -> str:
        """The board as Grafana's JSON, ended by a line end."""
        made = dashboard.Dashboard(self.title).uid(self.uid).tags([TAG]).readonly().timezone("utc").refresh("10s")
        made.time("now-6h", "now").tooltip(models.DashboardCursorSync.CROSSHAIR)
        # The others are one click away, with the same session and time.
        made.link(
            dashboard.DashboardLink("Boards").type(models.DashboardLinkType.DASHBOARDS).tags([TAG]).keep_time(True).include_vars(True)
        )
        for variable in self.variables:
            made.with_variable(variable)
        for panel in self.panels:
            made.with_panel(panel)
        built = made.build()
        for number, one in enumerate(built.panels or [], 1):
            assert isinstance(one, models.Panel)
            one.id_val = number
        return JSONEncoder(sort_keys=True, indent=1).encode(built) + "\n"


def sessions() -> Variable:
    """The session to look at, the newest first."""
    return _choice("session", "Session", "SELECT session FROM portfolio_snapshots GROUP BY session ORDER BY max(time) DESC")


def accounts() -> Variable:
    """An account of the session."""
    return _choice("account", "Account", f"SELECT DISTINCT account FROM portfolio_snapshots WHERE {SESSION} ORDER BY account")


def live_sessions() -> Variable:
    """A session whose processes Prometheus asks."""
    return _choice("session", "Session", "label_values(streams_turns_total, session)", PROMETHEUS)


def _choice(name: str, label: str, query: str, source: models.DataSourceRef = POSTGRES) -> Variable:
    made = dashboard.QueryVariable(name).label(label).query(query).datasource(source)
    return made.refresh(models.VariableRefresh.ON_DASHBOARD_LOAD).multi(False).include_all(False)
