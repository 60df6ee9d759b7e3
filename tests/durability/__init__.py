"""What a crash of the machine may leave of a folder that hiergeo writes: recorded, replayed, and opened again."""
