"""One self-contained HTML page from the result files of one or more runs.

`write_report` is the whole interface; `vlreward report RUN... --html out.html` calls it.
"""

from vlreward.report.build import Report, build_report, write_report
from vlreward.report.errors import ReportError

__all__ = ["Report", "ReportError", "build_report", "write_report"]
