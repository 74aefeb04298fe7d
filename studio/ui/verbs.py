"""The programming interface: one endpoint per verb, with the core function of the tab of the same name.

Names, parameters and their order are public: they change with a note in the changelog. docs/api.md shows each of them,
and tests/test_api.py holds them. The docstrings are what a program, or a model that uses these as tools, reads; the
text below `Args:` describes the parameters there.
"""

from __future__ import annotations

from studio.jobs import Jobs
from studio.limits import Limits
from studio.ui.endpoints import Endpoints
from studio.ui.verbs_making import MakingVerbs
from studio.ui.verbs_reading import ReadingVerbs


def build(limits: Limits, among: Jobs | None = None) -> None:
    """Publish every verb inside the current gr.Blocks. among: training runs, whose models can be chosen."""
    endpoints, jobs = Endpoints(limits), among or Jobs()
    ReadingVerbs(limits, jobs).offer(endpoints)
    MakingVerbs(limits, jobs).offer(endpoints)
