"""One request after another until there is an answer: attempts, retries, fallback, tools, and the API's other calls."""
