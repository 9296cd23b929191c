"""Value: what a pack earns in a second life, less what it takes to get there, and no less than its material."""
