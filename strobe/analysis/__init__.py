"""Pure functions: arrays in, arrays out. No torch, no Streamlit, no files."""
