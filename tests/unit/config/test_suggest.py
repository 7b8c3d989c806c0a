"""Did-you-mean."""

from automation_consumer.config.suggest import closest, did_you_mean


def test_the_nearest_name():
    assert closest("polling_intervall", ["polling_interval", "polling_timeout"]) == "polling_interval"
    assert closest("Status", ["state", "status"]) == "status"
    assert closest("zebra", ["polling_interval"]) is None
    assert did_you_mean("hots", ["host"]) == " (did you mean 'host'?)"
    assert did_you_mean("zebra", ["host"]) == ""


def test_among_many_names_only_those_of_about_the_length_are_compared():
    names = [f"action_{number}" for number in range(6000)]
    assert closest("acton_5999", names) == "action_5999"
