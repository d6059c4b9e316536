"""What pages share: the frame, the run picker, the step cursor and the canvas panels."""
