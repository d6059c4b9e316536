"""The router: `streamlit run streamlit_app.py`."""

from strobe.ui.frame import route

route()
