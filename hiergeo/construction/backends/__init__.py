"""What writes the texts of chains."""
