"""Programs: modes, donation, faults, profiles, threads, fork."""

import ctypes
import os
import threading
import warnings

import numpy as np
import pytest

from lamina.runtime import (
    Argument,
    Buffer,
    Control,
    KernelFault,
    Launch,
    Output,
    Program,
    Slot,
    num_threads,
    set_num_threads,
)

MODES = ("threads", "serial", "graph")


def chain(kernels, count: int, donor: int = -1) -> Program:
    """y = (x + 1) + (2 c), with both terms in the arena."""
    nbytes = 8 * count
    launches = [
        kernels.launch("increment", (Slot.INPUT, 0), (Slot.ARENA, 0), count=count),
        kernels.launch("double", (Slot.CONSTANT, 0), (Slot.ARENA, nbytes), count=count),
        kernels.launch(
            "add",
            (Slot.ARENA, 0),
            (Slot.ARENA, nbytes),
            (Slot.OUTPUT, 0),
            count=count,
            dependencies=(0, 1),
        ),
    ]
    constant = Buffer.wrap(np.full(count, 10.0))
    return Program(launches, [Output(nbytes, donor)], 2 * nbytes, [constant], 1, keep=kernels)


def double_in_place(kernels, count: int, outputs: int = 1) -> Program:
    launches = [
        kernels.launch("double", (Slot.INPUT, 0), (Slot.OUTPUT, i), count=count)
        for i in range(outputs)
    ]
    return Program(launches, [Output(8 * count, 0)] * outputs, num_inputs=1, keep=kernels)


def filled(values: np.ndarray) -> Buffer:
    buffer = Buffer(values.nbytes)
    np.frombuffer(buffer, values.dtype)[:] = values
    return buffer


@pytest.fixture
def threads():
    before = num_threads()
    yield set_num_threads
    set_num_threads(before)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("workers", [1, 2, 5])
def test_modes_agree(kernels, numbers, threads, mode, workers):
    threads(workers)
    program = chain(kernels, numbers.size)
    program.mode = mode
    assert program.mode == mode
    for _ in range(20):
        (result,) = program.run([Buffer.wrap(numbers)])
        np.testing.assert_array_equal(np.frombuffer(result), numbers + 21.0)


def test_an_unknown_mode_is_refused(kernels):
    with pytest.raises(ValueError, match='"turbo" is none of "threads", "serial", "graph"'):
        chain(kernels, 4).mode = "turbo"


@pytest.mark.parametrize("donated", [1, b"\1"])
def test_a_donated_input_gives_its_memory(kernels, numbers, donated):
    program = double_in_place(kernels, numbers.size)
    buffer = filled(numbers)
    address = buffer.address
    (result,) = program.run([buffer], donated)
    assert result.address == address
    assert buffer.donated
    assert not buffer.owned
    np.testing.assert_array_equal(np.frombuffer(result), 2 * numbers)
    with pytest.raises(ValueError, match="donated"):
        program.run([buffer])
    with pytest.raises(BufferError, match="donated"):
        memoryview(buffer)


def test_donation_has_its_conditions(kernels, numbers):
    program = double_in_place(kernels, numbers.size)
    kept = filled(numbers)
    assert program.run([kept])[0].address != kept.address
    assert program.run([kept], 0)[0].address != kept.address
    view = np.frombuffer(kept)
    assert program.run([kept], 1)[0].address != kept.address
    np.testing.assert_array_equal(view, numbers)
    wrapped = Buffer.wrap(numbers.copy())
    assert program.run([wrapped], 1)[0].address != wrapped.address
    assert not wrapped.donated
    small = Program([], [Output(1 << 20, 0)], num_inputs=1)
    donor = Buffer(64)
    assert small.run([donor], 1)[0].nbytes == 1 << 20
    assert not donor.donated


def test_a_donor_serves_one_output(kernels, numbers):
    program = double_in_place(kernels, numbers.size, outputs=2)
    buffer = filled(np.zeros_like(numbers))
    first, second = program.run([buffer], 1)
    assert first.address != second.address


def test_an_input_given_twice_is_not_donated():
    program = Program([], [Output(64, 0)], num_inputs=2)
    buffer = Buffer(64)
    program.run([buffer, buffer], 0b01)
    assert not buffer.donated


def test_many_inputs_take_wide_masks():
    program = Program([], [Output(64, 99)], num_inputs=100)
    buffers = [Buffer(64) for _ in range(100)]
    program.run(buffers, 1 << 99)
    assert [buffer.donated for buffer in buffers] == [False] * 99 + [True]
    fresh = [Buffer(64) for _ in range(100)]
    program.run(fresh, bytes(99) + b"\1")
    assert fresh[99].donated
    with pytest.raises(ValueError, match="3 bytes for 100 inputs"):
        program.run([Buffer(64) for _ in range(100)], b"\1\0\0")


def test_a_fault_raises_and_returns_what_was_donated(kernels):
    launch = kernels.launch("fault", (Slot.STATUS, 0), count=5)
    program = Program([launch], [Output(64, 0)], num_inputs=1, keep=kernels)
    buffer = Buffer(64)
    address = buffer.address
    with pytest.raises(KernelFault, match="fault 7") as caught:
        program.run([buffer], 1)
    assert caught.value.code == 7
    assert caught.value.values == (7, 0, 5, 0)
    assert buffer.address == address
    assert not buffer.donated


def test_scratch_is_aligned_and_per_thread(kernels):
    launch = kernels.launch("scratch", (Slot.OUTPUT, 0), count=1, scratch_bytes=4096)
    program = Program([launch], [Output(8)], keep=kernels)
    addresses = {int(np.frombuffer(program.run([])[0], np.int64)[0]) for _ in range(3)}
    assert len(addresses) == 1
    assert addresses.pop() % 64 == 0


def test_empty_programs_extents_and_outputs(kernels):
    assert Program([], []).run([]) == []
    launch = kernels.launch("increment", (Slot.INPUT, 0), (Slot.OUTPUT, 0), count=0)
    program = Program([launch], [Output(0)], num_inputs=1)
    for mode in MODES:
        program.mode = mode
        (result,) = program.run([Buffer(0)])
        assert result.nbytes == 0


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ((Slot.INPUT, 1), "input index 1 is out of range"),
        ((Slot.OUTPUT, 1), "output index 1 is out of range"),
        ((Slot.CONSTANT, 0), "constant index 0 is out of range"),
        ((Slot.ARENA, 65), "arena offset 65 is out of range"),
    ],
)
def test_bad_arguments_are_refused(kernels, argument, message):
    launch = kernels.launch("increment", argument, count=4)
    with pytest.raises(ValueError, match=message):
        Program([launch], [Output(64)], 64, num_inputs=1)


def test_bad_launches_and_calls_are_refused(kernels):
    with pytest.raises(ValueError, match="not an earlier one"):
        Program([kernels.launch("increment", count=4, dependencies=(0,))], [])
    with pytest.raises(ValueError, match="grain"):
        Program([kernels.launch("increment", count=4, grain=0)], [])
    with pytest.raises(ValueError, match="address"):
        Program([Launch("nothing", 0, ())], [])
    with pytest.raises(ValueError, match="donor 3"):
        Program([], [Output(8, 3)], num_inputs=1)
    program = Program([], [], num_inputs=2)
    with pytest.raises(ValueError, match="1 inputs for a program with 2"):
        program.run([Buffer(1)])
    with pytest.raises(TypeError, match="must be a Buffer"):
        program.run([Buffer(1), np.zeros(1)])


def test_profile_timings_trace_and_text(kernels, numbers):
    program = chain(kernels, numbers.size)
    program.profile(trace=True)
    for _ in range(3):
        program.run([Buffer.wrap(numbers)])
    timings = program.timings()
    assert [row.name for row in timings] == ["increment", "double", "add"]
    assert all(row.calls == 3 and row.total_ns > 0 for row in timings)
    assert all(start <= end for _, _, start, end in program.trace())
    assert {name for name, *_ in program.trace()} == {"increment", "double", "add"}
    program.profile(False)
    program.run([Buffer.wrap(numbers)])
    assert program.timings()[0].calls == 3
    tasks = program.tasks()
    assert tasks[2].dependencies == (0, 1)
    assert tasks[2].name == "add"
    assert tasks[2].args[2] == Argument(Slot.OUTPUT, 0)
    assert str(program) == "\n".join(
        [
            "program: 1 inputs, arena 160000 bytes",
            "  0: increment(input 0, arena+0)  extent 10000 grain 64",
            "  1: double(constant 0, arena+80000)  extent 10000 grain 64",
            "  2: add(arena+0, arena+80000, output 0)  extent 10000 grain 64  after [0, 1]",
            "  outputs: 80000 bytes",
        ]
    )


@pytest.mark.parametrize("mode", MODES)
def test_python_threads_run_one_program(kernels, numbers, threads, mode):
    threads(3)
    program = chain(kernels, numbers.size)
    program.mode = mode
    wrong = []

    def work(shift: float):
        for _ in range(50):
            (result,) = program.run([Buffer.wrap(numbers + shift)])
            if not np.array_equal(np.frombuffer(result), numbers + shift + 21.0):
                wrong.append(shift)

    workers = [threading.Thread(target=work, args=(float(i),)) for i in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


@pytest.mark.parametrize("mode", MODES)
def test_kernels_may_call_python(threads, mode):
    threads(3)
    calls = []
    signature = ctypes.CFUNCTYPE(
        None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p
    )
    callback = signature(lambda args, begin, end, scratch: calls.append((begin, end)))
    address = ctypes.cast(callback, ctypes.c_void_p).value
    program = Program([Launch("call", address, (), extent=12, grain=4)], [], keep=callback)
    program.mode = mode
    program.run([])
    assert sorted(calls) == ([(0, 4), (4, 8), (8, 12)] if mode == "threads" else [(0, 12)])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_runs_programs(kernels, numbers, threads):
    threads(3)
    program = chain(kernels, numbers.size)
    program.run([Buffer.wrap(numbers)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking beside threads
        child = os.fork()
    if child == 0:
        (result,) = program.run([Buffer.wrap(numbers)])
        os._exit(0 if np.array_equal(np.frombuffer(result), numbers + 21.0) else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    program.run([Buffer.wrap(numbers)])


def prepared(kernels, count: int) -> Program:
    """y = x + (2 w), where w is frozen."""
    nbytes = 8 * count
    launches = [
        kernels.launch("double", (Slot.INPUT, 1), (Slot.KEPT, 0), count=count, once=True),
        kernels.launch(
            "add", (Slot.INPUT, 0), (Slot.KEPT, 0), (Slot.OUTPUT, 0), count=count, dependencies=(0,)
        ),
    ]
    outputs = [Output(nbytes)]
    return Program(launches, outputs, num_inputs=2, keep=kernels, kept_bytes=nbytes, frozen=[1])


def test_launches_that_run_once(kernels):
    program = prepared(kernels, 100)
    program.profile()
    assert "kept 800 bytes" in str(program) and "once" in str(program)
    x, w, other = (filled(np.full(100, value)) for value in (1.0, 5.0, 6.0))
    runs = [(w, 11.0, 1), (w, 11.0, 1), (other, 13.0, 2), (w, 11.0, 3), (w, 11.0, 3)]
    for weights, wanted, calls in runs:
        (y,) = program.run([x, weights])
        np.testing.assert_array_equal(np.frombuffer(y), wanted)
        assert program.timings()[0].calls == calls


def test_memory_that_others_write_to_is_read_at_every_run(kernels):
    program = prepared(kernels, 100)
    x, array = filled(np.full(100, 1.0)), np.full(100, 5.0)
    w = Buffer.wrap(array)
    assert w.serial == 0
    for value in (5.0, 7.0):
        array[:] = value
        (y,) = program.run([x, w])
        np.testing.assert_array_equal(np.frombuffer(y), 1.0 + 2 * value)
    array.flags.writeable = False
    assert Buffer.wrap(array).serial > w.serial


def test_contents_have_a_number(kernels):
    first, second = filled(np.ones(10)), filled(np.ones(10))
    assert 0 < first.serial < second.serial
    (made,) = double_in_place(kernels, 10).run([first], 1)
    assert first.donated and made.serial > second.serial


def test_frozen_inputs_exist():
    with pytest.raises(ValueError, match="frozen input 3 is no input"):
        Program([], [], num_inputs=2, kept_bytes=64, frozen=[3])


def test_parts_of_loops_keep_nothing(kernels):
    part = prepared(kernels, 8).native, [(0, 0, 64)]
    with pytest.raises(ValueError, match="run once"):
        Control.switch([part], 2, 1)
