"""Commands of `lima` in groups, as the dataclasses that tyro turns into options; they load nothing heavy until run."""
