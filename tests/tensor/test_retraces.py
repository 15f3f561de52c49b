"""The report of `jit`: what made each signature differ."""

import functools

import lamina as lm


def test_a_report_names_what_changed():
    @functools.partial(lm.jit, static_argnames="times")
    def f(x, options, times=1):
        return x * options["scale"] * times

    one = lm.ones(3)
    f(one, {"scale": one}, times=1)
    f(one, {"scale": one}, times=1)
    f(one, {"scale": one}, times=2)
    f(lm.ones((2, 3)), {"scale": one}, times=2)
    f(one, {"scale": 2}, times=1)
    assert [t.changed for t in f.traces] == [
        (),
        (("times", "1", "2"),),
        (("x", "f32[3]", "f32[2,3]"),),
        (("options['scale']", "f32[3]", "int"),),
    ]
    lines = f.report().splitlines()
    assert lines[0] == "jit f: traced 4 times"
    assert lines[2].startswith("  2: times: 1 -> 2  (")
    assert all(t.seconds > 0 for t in f.traces)
    f.clear()
    assert f.traces == ()
