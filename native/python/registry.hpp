// Which classes are leaves and which are nodes.
#pragma once

#include <Python.h>

#include <cstddef>
#include <vector>

namespace lamina::python {

enum class Role : unsigned char { other, leaf, node };

// One class that is a leaf or a node, by registration or by inheritance.
struct Class {
    PyTypeObject* type = nullptr;  // held for ever: its address is part of keys
    Role role = Role::other;
    Py_ssize_t slot_offset = 0;    // of the slot `type` in a leaf; 0: read it as an attribute
    PyObject* describe = nullptr;  // function that gives a leaf's signature instead
};

class Registry {
 public:
    static Registry& process();

    // -1 with an exception set when `type` is no class.
    int add(PyObject* type, Role role, PyObject* describe);

    // The entry of an exact class met before; a probe or two, no Python.
    const Class* find(PyTypeObject* type) const noexcept;
    // The entry of any class, or null when it is neither leaf nor node.
    const Class* classify(PyTypeObject* type);

 private:
    const Class* remember(Class entry);
    static std::size_t slot_of(PyTypeObject* type, std::size_t mask) noexcept;

    std::vector<Class> registered_;
    std::vector<Class> table_ = std::vector<Class>(256);
    std::size_t used_ = 0;
};

}  // namespace lamina::python
