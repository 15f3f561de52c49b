#include "python/program.hpp"

#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "program/control.hpp"
#include "program/recursion.hpp"
#include "program/program.hpp"
#include "python/buffer.hpp"
#include "python/errors.hpp"

namespace nb = nanobind;

namespace lamina::python {
namespace {

constexpr std::string_view kModeNames[] = {"threads", "serial", "graph"};

struct Output {
    std::size_t nbytes;
    std::int64_t donor;  // input whose memory it may take over, or -1
};

// A loop or a branch, with the Python objects that its parts belong to.
struct PythonControl {
    std::shared_ptr<const Control> control;
    nb::object parts;
};

Kernel read_kernel(nb::handle row) {
    const auto fields = nb::cast<nb::tuple>(row);
    if (fields.size() != 9) {
        throw std::invalid_argument(
            "Program: a kernel is (name, address, args, extent, grain, scratch_bytes, "
            "dependencies, control, once)");
    }
    Kernel kernel;
    kernel.name = nb::cast<std::string>(fields[0]);
    kernel.entry = reinterpret_cast<KernelEntry>(nb::cast<std::uintptr_t>(fields[1]));
    for (nb::handle pair : fields[2]) {
        const int kind = nb::cast<int>(pair[0]);
        kernel.arguments.push_back({static_cast<Slot>(kind), nb::cast<std::int64_t>(pair[1])});
    }
    kernel.extent = nb::cast<std::int64_t>(fields[3]);
    kernel.grain = nb::cast<std::int64_t>(fields[4]);
    kernel.scratch_bytes = nb::cast<std::size_t>(fields[5]);
    kernel.dependencies = nb::cast<std::vector<int>>(fields[6]);
    if (!fields[7].is_none()) kernel.control = nb::cast<PythonControl&>(fields[7]).control;
    kernel.once = nb::cast<bool>(fields[8]);
    return kernel;
}

std::vector<Kernel> read_kernels(nb::handle rows) {
    std::vector<Kernel> kernels;
    for (nb::handle row : rows) kernels.push_back(read_kernel(row));
    return kernels;
}

// One byte per input, or an integer with one bit per input.
class DonationMask {
 public:
    DonationMask(nb::handle donated, std::size_t count) {
        if (PyBytes_Check(donated.ptr())) {
            bytes_ = std::string_view(PyBytes_AS_STRING(donated.ptr()),
                                      static_cast<std::size_t>(PyBytes_GET_SIZE(donated.ptr())));
            if (bytes_.size() != count) {
                throw std::invalid_argument("Program.run: donated has " +
                                            std::to_string(bytes_.size()) + " bytes for " +
                                            std::to_string(count) + " inputs");
            }
            return;
        }
        bits_ = nb::borrow(donated);
        small_ = PyLong_AsUnsignedLongLong(donated.ptr());
        if (!PyErr_Occurred()) return;
        if (!PyErr_ExceptionMatches(PyExc_OverflowError)) nb::raise_python_error();
        PyErr_Clear();
        spelled_ = bits_.attr("to_bytes")((count + 7) / 8, "little");  // negative or too long: raises
    }

    bool operator[](std::size_t i) const {
        if (!bits_.is_valid()) return bytes_[i] != 0;
        if (!spelled_.is_valid()) return i < 64 && ((small_ >> i) & 1U) != 0;
        const char* bytes = PyBytes_AS_STRING(spelled_.ptr());
        return ((static_cast<unsigned char>(bytes[i / 8]) >> (i % 8)) & 1U) != 0;
    }

 private:
    std::string_view bytes_;
    nb::object bits_;
    unsigned long long small_ = 0;
    nb::object spelled_;
};

// The inputs of one run, held and pinned until it ends.
class Inputs {
 public:
    Inputs(nb::handle list, std::size_t expected) {
        held_ = nb::steal<nb::object>(PySequence_Tuple(list.ptr()));
        if (!held_.is_valid()) nb::raise_python_error();
        const auto count = static_cast<std::size_t>(PyTuple_GET_SIZE(held_.ptr()));
        if (count != expected) {
            throw std::invalid_argument("Program.run: " + std::to_string(count) +
                                        " inputs for a program with " + std::to_string(expected));
        }
        static PyObject* const type = nb::type<Buffer>().ptr();
        buffers_.reserve(count);
        addresses_.reserve(count);
        for (std::size_t i = 0; i < count; ++i) {
            PyObject* item = PyTuple_GET_ITEM(held_.ptr(), static_cast<Py_ssize_t>(i));
            if (!PyObject_TypeCheck(item, reinterpret_cast<PyTypeObject*>(type))) {
                throw nb::type_error("Program.run: every input must be a Buffer");
            }
            auto* buffer = nb::inst_ptr<Buffer>(item);
            if (buffer->donated()) {
                throw nb::value_error("Program.run: an input was donated in an earlier run");
            }
            buffers_.push_back(buffer);
            addresses_.push_back(buffer->address());
        }
        for (Buffer* buffer : buffers_) buffer->pin();
        pinned_ = true;
    }
    Inputs(const Inputs&) = delete;
    Inputs& operator=(const Inputs&) = delete;
    ~Inputs() {
        if (!pinned_) return;
        for (Buffer* buffer : buffers_) buffer->unpin();
    }

    Buffer& operator[](std::size_t i) { return *buffers_[i]; }
    const Buffer& operator[](std::size_t i) const { return *buffers_[i]; }
    const std::vector<void*>& addresses() const { return addresses_; }

 private:
    nb::object held_;
    std::vector<Buffer*> buffers_;
    std::vector<void*> addresses_;
    bool pinned_ = false;
};

// The memory of the results; donors get theirs back unless the run succeeded.
class Outputs {
 public:
    Outputs(const std::vector<Output>& plan, Inputs& inputs, const DonationMask& donated)
        : plan_(plan), donors_(plan.size(), nullptr) {
        memory_.reserve(plan.size());
        addresses_.reserve(plan.size());
        try {
            for (std::size_t i = 0; i < plan.size(); ++i) {
                memory_.push_back(take(plan[i], i, inputs, donated));
                addresses_.push_back(memory_.back().data());
            }
        } catch (...) {
            give_back();
            throw;
        }
    }
    Outputs(const Outputs&) = delete;
    Outputs& operator=(const Outputs&) = delete;
    ~Outputs() { give_back(); }

    const std::vector<void*>& addresses() const { return addresses_; }

    nb::list finish() {
        nb::object results =
            nb::steal<nb::object>(PyList_New(static_cast<Py_ssize_t>(plan_.size())));
        if (!results.is_valid()) nb::raise_python_error();
        for (std::size_t i = 0; i < plan_.size(); ++i) {
            donors_[i] = nullptr;
            nb::object buffer = nb::cast(Buffer(std::move(memory_[i]), plan_[i].nbytes));
            PyList_SET_ITEM(results.ptr(), static_cast<Py_ssize_t>(i), buffer.release().ptr());
        }
        return nb::borrow<nb::list>(results);
    }

 private:
    Memory take(const Output& output, std::size_t i, Inputs& inputs, const DonationMask& donated) {
        if (output.donor >= 0) {
            const auto donor = static_cast<std::size_t>(output.donor);
            Buffer& buffer = inputs[donor];
            const bool ours_alone = buffer.pins() == 1;  // this run's, once: no alias, no view
            if (donated[donor] && buffer.owned() && ours_alone &&
                buffer.capacity() >= output.nbytes) {
                donors_[i] = &buffer;
                return buffer.donate();
            }
        }
        return Memory(output.nbytes);
    }

    void give_back() noexcept {
        for (std::size_t i = 0; i < memory_.size(); ++i) {
            if (donors_[i] != nullptr) donors_[i]->take_back(std::move(memory_[i]));
            donors_[i] = nullptr;
        }
    }

    const std::vector<Output>& plan_;
    std::vector<Buffer*> donors_;
    std::vector<Memory> memory_;
    std::vector<void*> addresses_;
};

// What kernels that run once made of frozen inputs. Runs share it; whoever brings other inputs makes
// another, over the same memory where no run holds it.
class Prepared {
 public:
    using Serials = std::vector<std::uint64_t>;

    struct Made {
        Serials serials;  // of the inputs that it was made of
        Memory memory;
    };

    // What was made of these contents; null where they are others, or anybody may write to them.
    std::shared_ptr<Made> find(const Serials& serials) {
        if (std::find(serials.begin(), serials.end(), 0U) != serials.end()) return nullptr;
        const std::lock_guard lock(mutex_);
        return last_ != nullptr && last_->serials == serials ? last_ : nullptr;
    }

    // Memory for what shall be made of them.
    std::shared_ptr<Made> begin(Serials serials, std::size_t bytes) {
        std::shared_ptr<Made> made;
        {
            const std::lock_guard lock(mutex_);
            if (last_.use_count() == 1) made = std::move(last_);
        }
        if (made == nullptr) made = std::make_shared<Made>(Made{{}, Memory(bytes)});
        made->serials = std::move(serials);
        return made;
    }

    void finish(std::shared_ptr<Made> made) {
        const std::lock_guard lock(mutex_);
        last_ = std::move(made);
    }

 private:
    std::mutex mutex_;
    std::shared_ptr<Made> last_;
};

class PythonProgram {
 public:
    PythonProgram(nb::handle kernels, nb::handle outputs, std::size_t arena_bytes,
                  nb::handle constants, std::size_t num_inputs, std::size_t kept_bytes,
                  std::vector<std::size_t> frozen)
        : num_inputs_(num_inputs), frozen_(std::move(frozen)) {
        for (const std::size_t number : frozen_) {
            if (number < num_inputs) continue;
            throw std::invalid_argument("Program: frozen input " + std::to_string(number) +
                                        " is no input");
        }
        for (nb::handle pair : outputs) {
            const Output output{nb::cast<std::size_t>(pair[0]), nb::cast<std::int64_t>(pair[1])};
            if (output.donor < -1 || output.donor >= static_cast<std::int64_t>(num_inputs)) {
                throw std::invalid_argument("Program: output donor " +
                                            std::to_string(output.donor) + " is no input");
            }
            outputs_.push_back(output);
        }
        for (nb::handle constant : constants) {
            auto& buffer = nb::cast<Buffer&>(constant);
            if (buffer.donated()) throw nb::value_error("Program: a constant was donated");
            buffer.pin();
            constants_.push_back(nb::borrow(constant));
            constant_addresses_.push_back(buffer.address());
        }
        for (nb::handle row : kernels) controls_.push_back(nb::borrow(row[7]));
        program_ = std::make_shared<Program>(
            read_kernels(kernels), Counts{num_inputs, outputs_.size(), constants_.size()},
            arena_bytes, kept_bytes);
    }
    PythonProgram(const PythonProgram&) = delete;
    PythonProgram& operator=(const PythonProgram&) = delete;
    ~PythonProgram() {
        for (const nb::object& constant : constants_) nb::inst_ptr<Buffer>(constant)->unpin();
    }

    nb::list run(nb::handle inputs, nb::handle donated) {
        Inputs in(inputs, num_inputs_);
        const DonationMask mask(donated, num_inputs_);
        Outputs out(outputs_, in, mask);
        Kept kept;
        std::shared_ptr<Prepared::Made> made;
        if (program_->kept_bytes() > 0) {
            Prepared::Serials serials = serials_of(in);
            made = prepared_.find(serials);
            kept.ready = made != nullptr;
            if (!kept.ready) made = prepared_.begin(std::move(serials), program_->kept_bytes());
            kept.memory = made->memory.data();
        }
        Status status;
        {
            nb::gil_scoped_release released;
            status = program_->run(in.addresses(), out.addresses(), constant_addresses_, kept);
        }
        if (status.values[0] != 0) raise_kernel_fault(status);
        if (!kept.ready) prepared_.finish(std::move(made));
        return out.finish();
    }

    Program& program() { return *program_; }

    // The program as a part of another one.
    Part part(nb::handle results) const {
        if (program_->kept_bytes() > 0) {
            throw std::invalid_argument("Control: a part with kernels that run once");
        }
        Part made{program_, constant_addresses_, {}, outputs_.size()};
        const std::size_t counts[] = {outputs_.size(), num_inputs_, constants_.size()};
        for (nb::handle row : results) {
            const auto source = nb::cast<int>(row[0]);
            const auto number = nb::cast<std::size_t>(row[1]);
            if (source < 0 || source > 2 || number >= counts[source]) {
                throw std::invalid_argument("Control: a result of a part does not exist");
            }
            made.results.push_back({static_cast<Part::Source>(source), number,
                                    nb::cast<std::size_t>(row[2])});
        }
        return made;
    }

    std::size_t num_inputs() const { return num_inputs_; }
    std::size_t num_outputs() const { return outputs_.size(); }
    std::size_t arena_bytes() const { return program_->arena_bytes(); }
    std::size_t kept_bytes() const { return program_->kept_bytes(); }
    const std::vector<std::size_t>& frozen() const { return frozen_; }

    nb::str mode() const {
        const std::string_view name = kModeNames[static_cast<int>(program_->mode())];
        return nb::str(name.data(), name.size());
    }

    void set_mode(const std::string& name) {
        for (int i = 0; i < 3; ++i) {
            if (kModeNames[i] == name) return program_->set_mode(static_cast<Mode>(i));
        }
        throw std::invalid_argument("Program.mode: \"" + name +
                                    "\" is none of \"threads\", \"serial\", \"graph\"");
    }

    nb::list timings() const {
        const std::vector<Tally> tallies = program_->tallies();
        nb::list rows;
        for (std::size_t i = 0; i < tallies.size(); ++i) {
            rows.append(nb::make_tuple(program_->kernels()[i].name, tallies[i].calls,
                                       tallies[i].total_ns));
        }
        return rows;
    }

    nb::list trace() const {
        nb::list rows;
        for (const Span& span : program_->trace()) {
            const Kernel& kernel = program_->kernels()[static_cast<std::size_t>(span.kernel)];
            rows.append(nb::make_tuple(kernel.name, span.thread, span.start_ns, span.end_ns));
        }
        return rows;
    }

    nb::list tasks() const {
        nb::list rows;
        for (const Kernel& kernel : program_->kernels()) {
            nb::list arguments;
            for (const Argument& argument : kernel.arguments) {
                arguments.append(nb::make_tuple(static_cast<int>(argument.slot), argument.value));
            }
            nb::dict row;
            row["kernel"] = kernel.name;
            row["address"] = reinterpret_cast<std::uintptr_t>(kernel.entry);
            row["args"] = arguments;
            row["extent"] = kernel.extent;
            row["grain"] = kernel.grain;
            row["scratch_bytes"] = kernel.scratch_bytes;
            row["dependencies"] = nb::cast(kernel.dependencies);
            row["control"] = kernel.control != nullptr;
            row["once"] = kernel.once;
            rows.append(row);
        }
        return rows;
    }

    nb::list outputs() const {
        nb::list rows;
        for (const Output& output : outputs_) {
            rows.append(nb::make_tuple(output.nbytes, output.donor));
        }
        return rows;
    }

 private:
    Prepared::Serials serials_of(const Inputs& inputs) const {
        Prepared::Serials found;
        found.reserve(frozen_.size());
        for (const std::size_t number : frozen_) found.push_back(inputs[number].serial());
        return found;
    }

    std::size_t num_inputs_;
    std::vector<std::size_t> frozen_;  // inputs that kernels read which run once
    Prepared prepared_;
    std::vector<Output> outputs_;
    std::vector<nb::object> constants_;
    std::vector<void*> constant_addresses_;
    std::vector<nb::object> controls_;  // keep the parts of loops and branches
    std::shared_ptr<Program> program_;
};

using Sizes = std::vector<std::size_t>;

Part read_part(nb::handle pair) {
    return nb::cast<PythonProgram&>(pair[0]).part(pair[1]);
}

PythonControl make_scan(nb::handle body, std::int64_t length, bool reverse, std::size_t constants,
                        Sizes state_bytes, Sizes slice_bytes, Sizes made_bytes) {
    if (length < 0) throw std::invalid_argument("Control: a loop of negative length");
    Scan::Sizes sizes{constants, std::move(state_bytes), std::move(slice_bytes),
                      std::move(made_bytes)};
    return {std::make_shared<Scan>(read_part(body), length, reverse, std::move(sizes)),
            nb::make_tuple(body)};
}

PythonControl make_while(nb::handle condition, nb::handle body, std::size_t constants,
                         Sizes state_bytes) {
    return {std::make_shared<While>(read_part(condition), read_part(body), constants,
                                    std::move(state_bytes)),
            nb::make_tuple(condition, body)};
}

PythonControl make_switch(nb::handle branches, std::size_t operands, std::size_t results) {
    std::vector<Part> parts;
    for (nb::handle branch : branches) parts.push_back(read_part(branch));
    if (parts.empty()) throw std::invalid_argument("Control: a switch without branches");
    return {std::make_shared<Switch>(std::move(parts), operands, results), nb::borrow(branches)};
}

PythonControl make_recursion(std::vector<std::string> names, nb::handle functions,
                             std::size_t operands, std::int64_t most_calls) {
    std::vector<Part> parts;
    for (nb::handle function : functions) parts.push_back(read_part(function));
    if (parts.empty() || parts.size() != names.size()) {
        throw std::invalid_argument("Control: a recursion has one name for each function");
    }
    return {std::make_shared<Recursion>(std::move(names), std::move(parts), operands,
                                        most_calls),
            nb::borrow(functions)};
}

PythonControl make_recur(std::string name, std::size_t operands, std::size_t results) {
    return {std::make_shared<Recur>(std::move(name), operands, results), nb::none()};
}

}  // namespace

void bind_program(nb::module_& module) {
    nb::class_<PythonControl>(module, "Control", "A loop, a branch or a recursion over other programs.")
        .def_static("scan", &make_scan, nb::arg("body"), nb::arg("length"), nb::arg("reverse"),
                    nb::arg("constants"), nb::arg("state_bytes"), nb::arg("slice_bytes"),
                    nb::arg("made_bytes"))
        .def_static("while_", &make_while, nb::arg("condition"), nb::arg("body"),
                    nb::arg("constants"), nb::arg("state_bytes"))
        .def_static("switch", &make_switch, nb::arg("branches"), nb::arg("operands"),
                    nb::arg("results"))
        .def_static("recursion", &make_recursion, nb::arg("names"), nb::arg("functions"),
                    nb::arg("operands"), nb::arg("most_calls"))
        .def_static("recur", &make_recur, nb::arg("name"), nb::arg("operands"),
                    nb::arg("results"))
        .def_prop_ro("arena_bytes", [](const PythonControl& self) {
            return self.control->arena_bytes();
        })
        .def_prop_ro("checks", [](const PythonControl& self) { return self.control->checks(); });
    nb::class_<PythonProgram>(module, "Program",
                              "Kernels, what each reads and writes, and one call to run them.",
                              nb::dynamic_attr())  // `keep`: what must live as long
        .def(nb::init<nb::handle, nb::handle, std::size_t, nb::handle, std::size_t, std::size_t,
                      std::vector<std::size_t>>(),
             nb::arg("kernels"), nb::arg("outputs"), nb::arg("arena_bytes"), nb::arg("constants"),
             nb::arg("num_inputs"), nb::arg("kept_bytes") = 0,
             nb::arg("frozen") = std::vector<std::size_t>())
        .def("run", &PythonProgram::run, nb::arg("inputs"), nb::arg("donated") = 0,
             "Runs on Buffers and returns Buffers; the GIL is free meanwhile.")
        .def_prop_rw("mode", &PythonProgram::mode, &PythonProgram::set_mode,
                     "\"threads\", \"serial\" or \"graph\".")
        .def_prop_ro("num_inputs", &PythonProgram::num_inputs)
        .def_prop_ro("num_outputs", &PythonProgram::num_outputs)
        .def_prop_ro("arena_bytes", &PythonProgram::arena_bytes)
        .def_prop_ro("kept_bytes", &PythonProgram::kept_bytes,
                     "Memory of the results of kernels that run once.")
        .def_prop_ro("frozen", &PythonProgram::frozen, "The inputs that those results follow from.")
        .def_prop_ro("outputs", &PythonProgram::outputs, "(nbytes, donor) of each output.")
        .def(
            "profile",
            [](PythonProgram& self, bool enable, bool trace) {
                self.program().profile(enable, trace);
            },
            nb::arg("enable") = true, nb::arg("trace") = false,
            "Counts from zero; with `trace` also keeps every chunk of the last run.")
        .def("timings", &PythonProgram::timings, "(kernel, calls, total_ns) of each kernel.")
        .def("trace", &PythonProgram::trace, "(kernel, thread, start_ns, end_ns) of the last run.")
        .def("tasks", &PythonProgram::tasks, "Every kernel as a dict, for dumping.");
}

}  // namespace lamina::python
