"""`streamlit run streamlit_app.py`: the server when it is imported, the router when Streamlit runs it for a page."""

if __name__ == "__main__":
    from strobe.ui.shell.page import route

    route()
else:
    from strobe.ui.server.memory import keep_together

    keep_together()  # first: what is imported below starts threads

    from streamlit.starlette import App

    from strobe.ui.server.start import parts

    app = App(__file__, **parts())
