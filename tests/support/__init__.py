"""What tests share: runs and stores made on disk, pages opened without a browser."""
