"""Drawing alone: Arrow tables or arrays in, a figure out. No Streamlit, no store, no run.

Printed figures are SVG that we write ourselves, movie frames numpy and Pillow. Altair draws the quick chart of the
SQL page, Plotly points on three axes. The panels of the app are canvas, drawn in the browser by `strobe/ui/static/`.
"""
