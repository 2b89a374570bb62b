def test_world(world):
    print("ok")
