"""The public JSON Schemas of glm."""
