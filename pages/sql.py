"""SQL: a visitor's own questions to the tables, run where they can do no harm."""

from strobe.ui.shell.page import frame
from strobe.ui.sql.panel import sql_panel

page = frame("sql", cursor=False)
sql_panel(page)
page.footer()
