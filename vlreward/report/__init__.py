"""One self-contained HTML page from the result files of one or more runs.

`write_report` is the whole interface; `vlreward report RUN... --html out.html` calls it.
"""

from vlreward.data.errors import DataError as ReportError
from vlreward.report.build import Report, build_report, write_report

__all__ = ["Report", "ReportError", "build_report", "write_report"]
