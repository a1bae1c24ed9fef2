from tests.one_child import child_server, one_child

__all__ = ["child_server", "one_child"]
