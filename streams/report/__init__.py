"""A session as one offline HTML file: gathered from its topics, drawn, written."""
