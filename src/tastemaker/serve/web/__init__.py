"""The page at `/`: files that a browser loads, and answers for it under `/page/api`.

What is only looked at there is never written down, and counts for nothing.
"""
