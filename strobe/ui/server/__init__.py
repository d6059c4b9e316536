"""The app's server: what it lets through to Streamlit, whose turn it is, and what it does as it starts."""
