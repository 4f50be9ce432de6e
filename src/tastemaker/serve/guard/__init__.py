"""Who may come in: keys and what each may do, how often, and how much they may send."""
