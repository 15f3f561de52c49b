#include "python/signature.hpp"

#include <cstdint>
#include <cstring>

namespace lamina::python {

PyTypeObject* signature_type = nullptr;

namespace {

Signature* as_signature(PyObject* self) { return reinterpret_cast<Signature*>(self); }

// Multiply-and-fold over eight bytes at a time.
Py_hash_t hash_bytes(const char* data, std::size_t size) {
    constexpr std::uint64_t kOdd = 0x9e3779b97f4a7c15ULL;
    std::uint64_t hash = size * kOdd;
    const auto mix = [&hash](std::uint64_t word) {
        hash = (hash ^ word) * kOdd;
        hash ^= hash >> 29;
    };
    for (; size >= 8; data += 8, size -= 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, data, 8);
        mix(word);
    }
    std::uint64_t rest = 0;
    std::memcpy(&rest, data, size);
    mix(rest);
    const auto result = static_cast<Py_hash_t>(hash);
    return result == -1 ? -2 : result;
}

Py_hash_t get_hash(PyObject* self) { return as_signature(self)->hash; }

// 1 equal, 0 different, -1 an exception.
int same(Signature* a, Signature* b) {
    if (a == b) return 1;
    if (a->hash != b->hash || PyBytes_GET_SIZE(a->key) != PyBytes_GET_SIZE(b->key)) return 0;
    const auto size = static_cast<std::size_t>(PyBytes_GET_SIZE(a->key));
    if (std::memcmp(PyBytes_AS_STRING(a->key), PyBytes_AS_STRING(b->key), size) != 0) return 0;
    const Py_ssize_t count = PyTuple_GET_SIZE(a->statics);
    if (count != PyTuple_GET_SIZE(b->statics)) return 0;
    for (Py_ssize_t i = 0; i < count; ++i) {
        PyObject* left = PyTuple_GET_ITEM(a->statics, i);
        PyObject* right = PyTuple_GET_ITEM(b->statics, i);
        if (left == right) continue;
        const int equal = PyObject_RichCompareBool(left, right, Py_EQ);
        if (equal != 1) return equal;
    }
    return 1;
}

PyObject* compare(PyObject* self, PyObject* other, int operation) {
    if ((operation != Py_EQ && operation != Py_NE) || Py_TYPE(other) != signature_type) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    const int equal = same(as_signature(self), as_signature(other));
    if (equal < 0) return nullptr;
    return PyBool_FromLong((equal == 1) == (operation == Py_EQ));
}

int traverse(PyObject* self, visitproc visit, void* arg) {
    Py_VISIT(as_signature(self)->statics);
    Py_VISIT(Py_TYPE(self));
    return 0;
}

int clear(PyObject* self) {
    Py_CLEAR(as_signature(self)->statics);
    return 0;
}

void destroy(PyObject* self) {
    PyTypeObject* type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    clear(self);
    Py_CLEAR(as_signature(self)->key);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

PyObject* get_key(PyObject* self, void*) { return Py_NewRef(as_signature(self)->key); }
PyObject* get_statics(PyObject* self, void*) { return Py_NewRef(as_signature(self)->statics); }

PyGetSetDef properties[] = {
    {"key", get_key, nullptr, "The structure, spelled in bytes.", nullptr},
    {"statics", get_statics, nullptr, "The objects the bytes refer to.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyType_Slot slots[] = {
    {Py_tp_doc, const_cast<char*>("Which compiled program serves a call; a dict key.")},
    {Py_tp_hash, reinterpret_cast<void*>(get_hash)},
    {Py_tp_richcompare, reinterpret_cast<void*>(compare)},
    {Py_tp_traverse, reinterpret_cast<void*>(traverse)},
    {Py_tp_clear, reinterpret_cast<void*>(clear)},
    {Py_tp_dealloc, reinterpret_cast<void*>(destroy)},
    {Py_tp_getset, properties},
    {0, nullptr},
};

PyType_Spec spec = {
    "lamina.runtime._native.Signature",
    sizeof(Signature),
    0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    slots,
};

}  // namespace

PyObject* make_signature(const char* key, std::size_t key_size, PyObject* statics) {
    PyObject* bytes = PyBytes_FromStringAndSize(key, static_cast<Py_ssize_t>(key_size));
    auto* made = bytes == nullptr ? nullptr : PyObject_GC_New(Signature, signature_type);
    if (made == nullptr) {
        Py_XDECREF(bytes);
        Py_DECREF(statics);
        return nullptr;
    }
    made->hash = hash_bytes(key, key_size);
    made->key = bytes;
    made->statics = statics;
    PyObject_GC_Track(reinterpret_cast<PyObject*>(made));
    return reinterpret_cast<PyObject*>(made);
}

int add_signature_type(PyObject* module) {
    signature_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
    if (signature_type == nullptr) return -1;
    return PyModule_AddObjectRef(module, "Signature", reinterpret_cast<PyObject*>(signature_type));
}

}  // namespace lamina::python
