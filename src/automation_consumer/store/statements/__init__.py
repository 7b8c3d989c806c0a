"""What the journal says to its database, whichever it is: one file per thing that is kept."""
