"""The nouns of the road, all frozen: Message, Incident, Match, Verdict, Run, Outcome."""
