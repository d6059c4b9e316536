"""What is shown of a run, without Streamlit: each module gives typed results with labels, units, what was sampled or
left out, and why they are empty. Pages, figures, movies and exports ask here and nowhere else."""
