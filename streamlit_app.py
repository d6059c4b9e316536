"""The router: `streamlit run streamlit_app.py`."""

from strobe.ui.shell.page import route

route()
