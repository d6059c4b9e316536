"""SQL: a visitor's own questions to the tables, run where they can do no harm."""

from strobe.ui.frame import frame
from strobe.ui.sql_panel import sql_panel

page = frame("sql", cursor=False)
sql_panel(page)
page.footer()
