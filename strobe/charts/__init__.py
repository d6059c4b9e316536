"""Figures: pure functions, Arrow tables or arrays in, Altair figures out. No Streamlit here."""
