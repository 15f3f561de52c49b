#include "python/flat.hpp"

#include <cstring>

#include "python/signature.hpp"

namespace lamina::python {

PyTypeObject* flat_type = nullptr;

namespace {

struct Flat {
    PyObject_HEAD
    PyObject* leaves;
    PyObject* signature;
    Place* places;
    Py_ssize_t count;
};

Flat* as_flat(PyObject* self) { return reinterpret_cast<Flat*>(self); }

int traverse(PyObject* self, visitproc visit, void* arg) {
    Flat* flat = as_flat(self);
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(flat->leaves);
    Py_VISIT(flat->signature);
    for (Py_ssize_t i = 0; i < flat->count; ++i) {
        Py_VISIT(flat->places[i].container);
        Py_VISIT(flat->places[i].key);
    }
    return 0;
}

int clear(PyObject* self) {
    Flat* flat = as_flat(self);
    Py_CLEAR(flat->leaves);
    Py_CLEAR(flat->signature);
    const Py_ssize_t count = flat->count;
    flat->count = 0;
    for (Py_ssize_t i = 0; i < count; ++i) {
        Py_CLEAR(flat->places[i].container);
        Py_CLEAR(flat->places[i].key);
    }
    return 0;
}

void destroy(PyObject* self) {
    PyTypeObject* type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    clear(self);
    PyMem_Free(as_flat(self)->places);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

// The place of leaf `index`, or null with IndexError set.
Place* place_at(Flat* flat, Py_ssize_t index) {
    if (index < 0 || index >= flat->count) {
        PyErr_Format(PyExc_IndexError, "Flat: leaf %zd of %zd", index, flat->count);
        return nullptr;
    }
    return &flat->places[index];
}

// Nothing but its container and our list holds the leaf.
bool is_unique(Flat* flat, Py_ssize_t index) {
    if (flat->places[index].container == nullptr) return false;  // the caller holds a root
    return Py_REFCNT(PyList_GET_ITEM(flat->leaves, index)) == 2;
}

PyObject* unique(PyObject* self, PyObject* argument) {
    const Py_ssize_t index = PyLong_AsSsize_t(argument);
    if (index == -1 && PyErr_Occurred()) return nullptr;
    if (place_at(as_flat(self), index) == nullptr) return nullptr;
    return PyBool_FromLong(is_unique(as_flat(self), index));
}

PyObject* unique_mask(PyObject* self, PyObject*) {
    Flat* flat = as_flat(self);
    PyObject* mask = PyBytes_FromStringAndSize(nullptr, flat->count);
    if (mask == nullptr) return nullptr;
    for (Py_ssize_t i = 0; i < flat->count; ++i) {
        PyBytes_AS_STRING(mask)[i] = is_unique(flat, i) ? 1 : 0;
    }
    return mask;
}

PyObject* write(PyObject* self, PyObject* const* arguments, Py_ssize_t count) {
    if (count != 2) {
        PyErr_Format(PyExc_TypeError, "Flat.write takes a leaf's index and a value, not %zd arguments",
                     count);
        return nullptr;
    }
    const Py_ssize_t index = PyLong_AsSsize_t(arguments[0]);
    if (index == -1 && PyErr_Occurred()) return nullptr;
    Place* place = place_at(as_flat(self), index);
    if (place == nullptr) return nullptr;
    if (place->container == nullptr || PyTuple_Check(place->container)) {
        PyErr_Format(PyExc_TypeError, "Flat.write: leaf %zd is %s, which cannot be assigned to", index,
                     place->container == nullptr ? "the root" : "in a tuple");
        return nullptr;
    }
    const int failed =
        place->key != nullptr
            ? PyDict_SetItem(place->container, place->key, arguments[1])
            : PyList_SetItem(place->container, place->index, Py_NewRef(arguments[1]));
    if (failed != 0) return nullptr;
    Py_RETURN_NONE;
}

PyObject* get_leaves(PyObject* self, void*) { return Py_NewRef(as_flat(self)->leaves); }
PyObject* get_signature(PyObject* self, void*) { return Py_NewRef(as_flat(self)->signature); }

PyObject* get_key(PyObject* self, void*) {
    return Py_NewRef(reinterpret_cast<Signature*>(as_flat(self)->signature)->key);
}

PyObject* get_statics(PyObject* self, void*) {
    return Py_NewRef(reinterpret_cast<Signature*>(as_flat(self)->signature)->statics);
}

bool writable(const Place& place) {
    return place.container != nullptr && !PyTuple_Check(place.container);
}

PyObject* get_containers(PyObject* self, void*) {
    Flat* flat = as_flat(self);
    PyObject* list = PyList_New(flat->count);
    if (list == nullptr) return nullptr;
    for (Py_ssize_t i = 0; i < flat->count; ++i) {
        const Place& place = flat->places[i];
        PyList_SET_ITEM(list, i, Py_NewRef(writable(place) ? place.container : Py_None));
    }
    return list;
}

PyObject* get_keys(PyObject* self, void*) {
    Flat* flat = as_flat(self);
    PyObject* list = PyList_New(flat->count);
    if (list == nullptr) return nullptr;
    for (Py_ssize_t i = 0; i < flat->count; ++i) {
        const Place& place = flat->places[i];
        PyObject* key = Py_None;
        if (writable(place)) key = place.key;
        PyObject* item = key != nullptr ? Py_NewRef(key) : PyLong_FromSsize_t(place.index);
        if (item == nullptr) {
            Py_DECREF(list);
            return nullptr;
        }
        PyList_SET_ITEM(list, i, item);
    }
    return list;
}

Py_ssize_t length(PyObject* self) { return as_flat(self)->count; }

PyMethodDef methods[] = {
    {"unique", unique, METH_O, "unique(i): only its container holds leaf i."},
    {"unique_mask", unique_mask, METH_NOARGS, "One byte per leaf, 1 where it is unique."},
    {"write", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(write)), METH_FASTCALL,
     "write(i, value): puts value where leaf i was found."},
    {nullptr, nullptr, 0, nullptr},
};

PyGetSetDef properties[] = {
    {"leaves", get_leaves, nullptr, "Tensors and dynamic numbers, in order.", nullptr},
    {"signature", get_signature, nullptr, "A dict key that decides which program serves.", nullptr},
    {"key", get_key, nullptr, "The structure, spelled in bytes.", nullptr},
    {"statics", get_statics, nullptr, "The objects the key refers to.", nullptr},
    {"containers", get_containers, nullptr, "The dict or list of each leaf, or None.", nullptr},
    {"keys", get_keys, nullptr, "The key or index of each leaf in its container.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyType_Slot slots[] = {
    {Py_tp_doc, const_cast<char*>("The flattened arguments of one call.")},
    {Py_tp_traverse, reinterpret_cast<void*>(traverse)},
    {Py_tp_clear, reinterpret_cast<void*>(clear)},
    {Py_tp_dealloc, reinterpret_cast<void*>(destroy)},
    {Py_tp_methods, methods},
    {Py_tp_getset, properties},
    {Py_sq_length, reinterpret_cast<void*>(length)},
    {0, nullptr},
};

PyType_Spec spec = {
    "lamina.runtime._native.Flat",
    sizeof(Flat),
    0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    slots,
};

}  // namespace

PyObject* make_flat(PyObject* leaves, PyObject* signature, std::vector<Place>& places) {
    const std::size_t bytes = places.size() * sizeof(Place);
    auto* copied = static_cast<Place*>(PyMem_Malloc(bytes));
    Flat* made = copied == nullptr ? nullptr : PyObject_GC_New(Flat, flat_type);
    if (made == nullptr) {
        PyMem_Free(copied);
        Py_DECREF(leaves);
        Py_DECREF(signature);
        PyErr_NoMemory();
        return nullptr;
    }
    if (bytes > 0) std::memcpy(copied, places.data(), bytes);
    made->leaves = leaves;
    made->signature = signature;
    made->places = copied;
    made->count = static_cast<Py_ssize_t>(places.size());
    places.clear();
    PyObject_GC_Track(reinterpret_cast<PyObject*>(made));
    return reinterpret_cast<PyObject*>(made);
}

int add_flat_type(PyObject* module) {
    flat_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
    if (flat_type == nullptr) return -1;
    return PyModule_AddObjectRef(module, "Flat", reinterpret_cast<PyObject*>(flat_type));
}

}  // namespace lamina::python
