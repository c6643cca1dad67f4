"""One incident of a session as one offline HTML file: what happened around a moment, why, and what was held and allowed then."""
