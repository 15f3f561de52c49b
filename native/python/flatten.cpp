// Walks the arguments of a call once, with the bare C API: this runs on every jitted call.
//
// The key spells the structure in one-byte marks, each followed by what tells two such things apart:
//   T L D   tuple, list, dict, and its length;     t l d   the same for a subclass, and its address
//   N       node: address of its class, number of attributes; then each attribute's name and value
//   x       leaf: addresses of its class and of its `type`; X: of its class, then its description
//   a       leaf met before: its index
//   f i b   dynamic float, int, bool;              0       None
//   F I 1 2 static float (its bits), int (its value), True, False
//   k       interned string (its address)
//   S       static compared by equality: address of its class, its hash
//   A       static compared by identity: its address
#include "python/flatten.hpp"

#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <vector>

#include "python/flat.hpp"
#include "python/registry.hpp"
#include "python/signature.hpp"

namespace lamina::python {
namespace {

constexpr int kDeepest = 200;

PyObject* type_name = nullptr;  // the interned string "type"

// Bytes that grow; the check for room is once per mark.
class Key {
 public:
    void clear() { size_ = 0; }
    const char* data() const { return bytes_.data(); }
    std::size_t size() const { return size_; }

    void mark(char tag) {
        reserve();
        bytes_[size_++] = tag;
    }
    template <typename... Words>
    void mark(char tag, Words... words) {
        reserve();
        bytes_[size_++] = tag;
        (put(words), ...);
    }

 private:
    void reserve() {
        if (size_ + 64 > bytes_.size()) bytes_.resize(2 * bytes_.size());
    }
    template <typename Word>
    void put(Word word) {
        static_assert(sizeof(Word) == 8);
        std::memcpy(bytes_.data() + size_, &word, sizeof word);
        size_ += sizeof word;
    }

    std::vector<char> bytes_ = std::vector<char>(4096);
    std::size_t size_ = 0;
};

// Index of the first occurrence of each leaf. Entries of earlier calls are told by their epoch.
class Seen {
 public:
    void clear() {
        ++epoch_;
        used_ = 0;
    }

    // The index `leaf` was first met at; `index` itself when it is new.
    std::int64_t insert(PyObject* leaf, std::int64_t index) {
        if (2 * (used_ + 1) > entries_.size()) grow();
        Entry& entry = find(leaf);
        if (entry.epoch == epoch_) return entry.index;
        entry = {leaf, epoch_, index};
        ++used_;
        return index;
    }

 private:
    struct Entry {
        PyObject* leaf = nullptr;
        std::uint64_t epoch = 0;
        std::int64_t index = 0;
    };

    Entry& find(PyObject* leaf) {
        const std::size_t mask = entries_.size() - 1;
        const auto address = reinterpret_cast<std::uintptr_t>(leaf);
        std::size_t i = ((address >> 4) * 0x9e3779b97f4a7c15ULL >> 32) & mask;
        while (entries_[i].epoch == epoch_ && entries_[i].leaf != leaf) i = (i + 1) & mask;
        return entries_[i];
    }

    void grow() {
        std::vector<Entry> old(2 * entries_.size());
        old.swap(entries_);
        for (const Entry& entry : old) {
            if (entry.epoch == epoch_) find(entry.leaf) = entry;
        }
    }

    std::vector<Entry> entries_ = std::vector<Entry>(256);
    std::uint64_t epoch_ = 1;
    std::size_t used_ = 0;
};

class Walker {
 public:
    Walker() = default;
    Walker(const Walker&) = delete;
    Walker& operator=(const Walker&) = delete;
    ~Walker() { clear(); }

    PyObject* flatten(PyObject* root);
    void clear();

 private:
    int visit(PyObject* object, const Place& place, int depth, bool in_node);
    int visit_tuple(PyObject* tuple, int depth, bool in_node);
    int visit_list(PyObject* list, int depth, bool in_node);
    int visit_dict(PyObject* dict, int depth, bool in_node);
    int visit_node(PyObject* node, const Class& cls, int depth);
    int visit_items(PyObject* dict, int depth, bool in_node);
    int visit_leaf(PyObject* leaf, const Class& cls, const Place& place);
    int visit_other(PyObject* object, const Place& place, int depth, bool in_node);
    void add_leaf(PyObject* leaf, const Place& place);
    void add_name(PyObject* name);
    int add_static(PyObject* object);
    int add_number(PyObject* number, PyTypeObject* type);
    int too_deep(PyObject* object);
    PyObject* finish();

    Key key_;
    Seen seen_;
    std::vector<PyObject*> leaves_;   // owned
    std::vector<Place> places_;       // owned
    std::vector<PyObject*> statics_;  // owned
};

void Walker::clear() {
    for (PyObject* leaf : leaves_) Py_DECREF(leaf);
    for (PyObject* object : statics_) Py_DECREF(object);
    for (const Place& place : places_) {
        Py_XDECREF(place.container);
        Py_XDECREF(place.key);
    }
    leaves_.clear();
    statics_.clear();
    places_.clear();
    key_.clear();
    seen_.clear();
}

PyObject* Walker::flatten(PyObject* root) {
    if (visit(root, Place{}, 0, false) != 0) return nullptr;
    return finish();
}

PyObject* Walker::finish() {
    const auto leaf_count = static_cast<Py_ssize_t>(leaves_.size());
    const auto static_count = static_cast<Py_ssize_t>(statics_.size());
    PyObject* statics = PyTuple_New(static_count);
    if (statics == nullptr) return nullptr;
    for (Py_ssize_t i = 0; i < static_count; ++i) {
        PyTuple_SET_ITEM(statics, i, statics_[static_cast<std::size_t>(i)]);
    }
    statics_.clear();
    PyObject* signature = make_signature(key_.data(), key_.size(), statics);
    if (signature == nullptr) return nullptr;
    PyObject* leaves = PyList_New(leaf_count);
    if (leaves == nullptr) {
        Py_DECREF(signature);
        return nullptr;
    }
    for (Py_ssize_t i = 0; i < leaf_count; ++i) {
        PyList_SET_ITEM(leaves, i, leaves_[static_cast<std::size_t>(i)]);
    }
    leaves_.clear();
    return make_flat(leaves, signature, places_);
}

// Zero when the object is in the key, -1 with an exception set. `object` is held by the caller.
int Walker::visit(PyObject* object, const Place& place, int depth, bool in_node) {
    PyTypeObject* type = Py_TYPE(object);
    if (const Class* cls = Registry::process().find(type)) {
        if (cls->role == Role::leaf) return visit_leaf(object, *cls, place);
        return visit_node(object, *cls, depth);
    }
    if (type == &PyFloat_Type || type == &PyLong_Type || type == &PyBool_Type) {
        if (in_node) return add_number(object, type);
        key_.mark(type == &PyFloat_Type ? 'f' : type == &PyLong_Type ? 'i' : 'b');
        add_leaf(object, place);
        return 0;
    }
    if (object == Py_None) {
        key_.mark('0');
        return 0;
    }
    if (type == &PyTuple_Type) {
        key_.mark('T', PyTuple_GET_SIZE(object));
        return visit_tuple(object, depth, in_node);
    }
    if (type == &PyList_Type) {
        key_.mark('L', PyList_GET_SIZE(object));
        return visit_list(object, depth, in_node);
    }
    if (type == &PyDict_Type) {
        key_.mark('D', PyDict_GET_SIZE(object));
        return visit_dict(object, depth, in_node);
    }
    if (type == &PyUnicode_Type) return add_static(object);
    return visit_other(object, place, depth, in_node);
}

// Classes not met before, subclasses of the containers, and everything static.
int Walker::visit_other(PyObject* object, const Place& place, int depth, bool in_node) {
    PyTypeObject* type = Py_TYPE(object);
    if (const Class* cls = Registry::process().classify(type)) {
        if (cls->role == Role::leaf) return visit_leaf(object, *cls, place);
        return visit_node(object, *cls, depth);
    }
    const bool is_tuple = PyTuple_Check(object);
    const bool is_list = PyList_Check(object);
    if (!is_tuple && !is_list && !PyDict_Check(object)) return add_static(object);
    statics_.push_back(Py_NewRef(reinterpret_cast<PyObject*>(type)));
    if (is_tuple) {
        key_.mark('t', type, PyTuple_GET_SIZE(object));
        return visit_tuple(object, depth, in_node);
    }
    if (is_list) {
        key_.mark('l', type, PyList_GET_SIZE(object));
        return visit_list(object, depth, in_node);
    }
    key_.mark('d', type, PyDict_GET_SIZE(object));
    return visit_dict(object, depth, in_node);
}

int Walker::visit_tuple(PyObject* tuple, int depth, bool in_node) {
    if (depth >= kDeepest) return too_deep(tuple);
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(tuple); ++i) {
        const Place place{tuple, nullptr, i};
        if (visit(PyTuple_GET_ITEM(tuple, i), place, depth + 1, in_node) != 0) return -1;
    }
    return 0;
}

int Walker::visit_list(PyObject* list, int depth, bool in_node) {
    if (depth >= kDeepest) return too_deep(list);
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); ++i) {
        PyObject* item = Py_NewRef(PyList_GET_ITEM(list, i));
        const int failed = visit(item, Place{list, nullptr, i}, depth + 1, in_node);
        Py_DECREF(item);
        if (failed != 0) return -1;
    }
    return 0;
}

int Walker::visit_dict(PyObject* dict, int depth, bool in_node) {
    if (depth >= kDeepest) return too_deep(dict);
    return visit_items(dict, depth, in_node);
}

int Walker::visit_node(PyObject* node, const Class& cls, int depth) {
    if (depth >= kDeepest) return too_deep(node);
    PyObject* dict = PyObject_GenericGetDict(node, nullptr);
    if (dict == nullptr) {
        PyErr_Format(PyExc_TypeError, "flatten: instances of %s have no __dict__ to go through",
                     cls.type->tp_name);
        return -1;
    }
    key_.mark('N', cls.type, PyDict_GET_SIZE(dict));
    const int failed = visit_items(dict, depth, true);
    Py_DECREF(dict);
    return failed;
}

int Walker::visit_items(PyObject* dict, int depth, bool in_node) {
    Py_ssize_t position = 0;
    PyObject* name = nullptr;
    PyObject* value = nullptr;
    const Py_ssize_t size = PyDict_GET_SIZE(dict);
    while (PyDict_Next(dict, &position, &name, &value)) {
        Py_INCREF(name);
        Py_INCREF(value);
        int failed = 0;
        if (PyUnicode_CheckExact(name)) {
            add_name(name);
        } else if (PyFloat_CheckExact(name) || PyLong_CheckExact(name) || PyBool_Check(name)) {
            failed = add_number(name, Py_TYPE(name));
        } else {
            failed = add_static(name);
        }
        if (failed == 0) failed = visit(value, Place{dict, name, 0}, depth + 1, in_node);
        Py_DECREF(value);
        Py_DECREF(name);
        if (failed != 0) return -1;
        if (PyDict_GET_SIZE(dict) != size) {
            PyErr_SetString(PyExc_RuntimeError, "flatten: a dict changed while it was read");
            return -1;
        }
    }
    return 0;
}

int Walker::visit_leaf(PyObject* leaf, const Class& cls, const Place& place) {
    const auto index = static_cast<std::int64_t>(leaves_.size());
    const std::int64_t first = seen_.insert(leaf, index);
    add_leaf(leaf, place);
    if (first != index) {
        key_.mark('a', first);
        return 0;
    }
    if (cls.describe != nullptr) {
        key_.mark('X', cls.type);
        PyObject* described = PyObject_CallOneArg(cls.describe, leaf);
        if (described == nullptr) return -1;
        const int failed = add_static(described);
        Py_DECREF(described);
        return failed;
    }
    PyTypeObject* leaf_class = cls.type;  // reading an attribute may move the registry's table
    PyObject* type = nullptr;
    if (cls.slot_offset > 0) {
        type = *reinterpret_cast<PyObject**>(reinterpret_cast<char*>(leaf) + cls.slot_offset);
        Py_XINCREF(type);
    }
    if (type == nullptr) type = PyObject_GetAttr(leaf, type_name);
    if (type == nullptr) return -1;
    key_.mark('x', leaf_class, type);
    statics_.push_back(type);
    return 0;
}

void Walker::add_leaf(PyObject* leaf, const Place& place) {
    leaves_.push_back(Py_NewRef(leaf));
    places_.push_back({Py_XNewRef(place.container), Py_XNewRef(place.key), place.index});
}

// Interned, so that equal names have one address.
void Walker::add_name(PyObject* name) {
    Py_INCREF(name);
    if (PyUnicode_CHECK_INTERNED(name) == 0) PyUnicode_InternInPlace(&name);
    key_.mark('k', name);
    statics_.push_back(name);
}

int Walker::add_number(PyObject* number, PyTypeObject* type) {
    if (type == &PyBool_Type) {
        key_.mark(number == Py_True ? '1' : '2');
        return 0;
    }
    if (type == &PyFloat_Type) {
        key_.mark('F', PyFloat_AS_DOUBLE(number));
        return 0;
    }
    int overflow = 0;
    const long long value = PyLong_AsLongLongAndOverflow(number, &overflow);
    if (overflow != 0) return add_static(number);
    key_.mark('I', value);
    return 0;
}

int Walker::add_static(PyObject* object) {
    PyTypeObject* type = Py_TYPE(object);
    if (type->tp_hash != PyObject_HashNotImplemented) {
        const Py_hash_t hash = PyObject_Hash(object);
        if (hash != -1) {
            key_.mark('S', type, hash);
            statics_.push_back(Py_NewRef(object));
            return 0;
        }
        if (!PyErr_ExceptionMatches(PyExc_TypeError)) return -1;
        PyErr_Clear();  // a hashable class with an unhashable part
    }
    key_.mark('A', object);
    statics_.push_back(Py_NewRef(object));
    return 0;
}

int Walker::too_deep(PyObject* object) {
    PyErr_Format(PyExc_ValueError,
                 "flatten: arguments nest deeper than %d levels, at a %s; does something contain "
                 "itself?",
                 kDeepest, Py_TYPE(object)->tp_name);
    return -1;
}

// Walkers not in use. A walk may run Python code and so flatten again, hence more than one.
std::vector<std::unique_ptr<Walker>>& idle_walkers() {
    static auto* const walkers = new std::vector<std::unique_ptr<Walker>>;
    return *walkers;
}

PyObject* flatten(PyObject*, PyObject* root) {
    auto& idle = idle_walkers();
    try {
        std::unique_ptr<Walker> walker;
        if (idle.empty()) {
            walker = std::make_unique<Walker>();
        } else {
            walker = std::move(idle.back());
            idle.pop_back();
        }
        PyObject* flat = walker->flatten(root);
        walker->clear();
        idle.push_back(std::move(walker));
        return flat;
    } catch (const std::bad_alloc&) {
        return PyErr_NoMemory();
    }
}

PyMethodDef functions[] = {
    {"flatten", flatten, METH_O,
     "flatten(obj) -> Flat: the leaves of nested containers and nodes, and their signature."},
    {nullptr, nullptr, 0, nullptr},
};

void add_class(nanobind::handle type, Role role, nanobind::handle describe) {
    if (Registry::process().add(type.ptr(), role, describe.ptr()) != 0) {
        nanobind::raise_python_error();
    }
}

}  // namespace

void bind_flatten(nanobind::module_& module) {
    type_name = PyUnicode_InternFromString("type");
    if (type_name == nullptr || add_signature_type(module.ptr()) != 0 ||
        add_flat_type(module.ptr()) != 0 || PyModule_AddFunctions(module.ptr(), functions) != 0) {
        nanobind::raise_python_error();
    }
    module.def(
        "register_leaf",
        [](nanobind::handle type, nanobind::handle describe) {
            add_class(type, Role::leaf, describe);
        },
        nanobind::arg("type"), nanobind::arg("describe").none() = nanobind::none(),
        "Instances of the class and its subclasses are leaves, told apart by the identity of their "
        "attribute `type`, or by what `describe(leaf)` returns, a hashable object.");
    module.def(
        "register_node",
        [](nanobind::handle type) { add_class(type, Role::node, nanobind::handle()); },
        nanobind::arg("type"),
        "Instances of the class and its subclasses are flattened through their __dict__.");
}

}  // namespace lamina::python
