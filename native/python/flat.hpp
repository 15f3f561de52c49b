// The flattened arguments of one call.
#pragma once

#include <Python.h>

#include <vector>

namespace lamina::python {

// Where a leaf was found, so that another can be put there.
struct Place {
    PyObject* container = nullptr;  // dict, list or tuple; null for the root
    PyObject* key = nullptr;        // of a dict
    Py_ssize_t index = 0;           // in a list or tuple
};

extern PyTypeObject* flat_type;

// A new Flat; steals `leaves` (a list) and `signature`, and the references inside `places`.
PyObject* make_flat(PyObject* leaves, PyObject* signature, std::vector<Place>& places);

// Creates the type and adds it to the module; -1 on failure.
int add_flat_type(PyObject* module);

}  // namespace lamina::python
