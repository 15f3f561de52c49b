// What decides which compiled program serves a call: hashable, compared exactly.
#pragma once

#include <Python.h>

#include <cstddef>

namespace lamina::python {

// Bytes that spell the structure, and the objects they refer to. Two signatures are equal when
// their bytes are and their statics are, pair by pair. Objects whose address is in the bytes are
// among the statics too, so that the address stays theirs.
struct Signature {
    PyObject_HEAD
    Py_hash_t hash;
    PyObject* key;      // bytes
    PyObject* statics;  // tuple
};

extern PyTypeObject* signature_type;

// A new Signature; steals `statics`. Null with an exception set on failure.
PyObject* make_signature(const char* key, std::size_t key_size, PyObject* statics);

// Creates the type and adds it to the module; -1 on failure.
int add_signature_type(PyObject* module);

}  // namespace lamina::python
