def main(glm):
    return 0
