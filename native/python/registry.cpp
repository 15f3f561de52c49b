#include "python/registry.hpp"

#include <structmember.h>

#include <cstdint>
#include <utility>

namespace lamina::python {
namespace {

// Where instances keep the slot `type`, when it is a plain slot.
Py_ssize_t find_slot(PyTypeObject* type) {
    PyObject* name = PyUnicode_InternFromString("type");
    PyObject* descriptor = nullptr;
    PyObject* mro = type->tp_mro;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(mro) && descriptor == nullptr; ++i) {
        auto* base = reinterpret_cast<PyObject*>(PyTuple_GET_ITEM(mro, i));
        PyObject* dict = PyObject_GetAttrString(base, "__dict__");
        descriptor = dict == nullptr ? nullptr : PyObject_GetItem(dict, name);
        PyErr_Clear();
        Py_XDECREF(dict);
    }
    Py_DECREF(name);
    Py_ssize_t offset = 0;
    if (descriptor != nullptr && Py_TYPE(descriptor) == &PyMemberDescr_Type) {
        const PyMemberDef* member = reinterpret_cast<PyMemberDescrObject*>(descriptor)->d_member;
        if (member->type == T_OBJECT_EX) offset = member->offset;
    }
    Py_XDECREF(descriptor);
    return offset;
}

}  // namespace

Registry& Registry::process() {
    static auto* const registry = new Registry;
    return *registry;
}

int Registry::add(PyObject* type, Role role, PyObject* describe) {
    if (!PyType_Check(type)) {
        PyErr_Format(PyExc_TypeError, "register: %R is no class", type);
        return -1;
    }
    auto* cls = reinterpret_cast<PyTypeObject*>(type);
    for (const Class& known : registered_) {
        if (known.type == cls && known.role == role && known.describe == describe) return 0;
    }
    Class entry;
    entry.type = cls;
    entry.role = role;
    entry.describe = describe == Py_None ? nullptr : describe;
    Py_INCREF(type);
    Py_XINCREF(entry.describe);
    registered_.push_back(entry);
    table_.assign(table_.size(), Class{});  // classes met so far may be something else now
    used_ = 0;
    return 0;
}

std::size_t Registry::slot_of(PyTypeObject* type, std::size_t mask) noexcept {
    const auto address = reinterpret_cast<std::uintptr_t>(type);
    return ((address >> 4) * 0x9e3779b97f4a7c15ULL >> 32) & mask;
}

const Class* Registry::find(PyTypeObject* type) const noexcept {
    const std::size_t mask = table_.size() - 1;
    for (std::size_t i = slot_of(type, mask);; i = (i + 1) & mask) {
        if (table_[i].type == type) return &table_[i];
        if (table_[i].type == nullptr) return nullptr;
    }
}

const Class* Registry::classify(PyTypeObject* type) {
    if (const Class* known = find(type)) return known;
    PyObject* mro = type->tp_mro;  // the nearest registered base decides
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(mro); ++i) {
        auto* base = reinterpret_cast<PyTypeObject*>(PyTuple_GET_ITEM(mro, i));
        for (auto known = registered_.rbegin(); known != registered_.rend(); ++known) {
            if (known->type != base) continue;
            Class entry = *known;
            entry.type = type;
            if (entry.role == Role::leaf && entry.describe == nullptr) {
                entry.slot_offset = find_slot(type);
            }
            return remember(entry);
        }
    }
    return nullptr;
}

const Class* Registry::remember(Class entry) {
    if (2 * (used_ + 1) > table_.size()) {
        std::vector<Class> old = std::exchange(table_, std::vector<Class>(2 * table_.size()));
        const std::size_t mask = table_.size() - 1;
        for (const Class& known : old) {
            if (known.type == nullptr) continue;
            std::size_t i = slot_of(known.type, mask);
            while (table_[i].type != nullptr) i = (i + 1) & mask;
            table_[i] = known;
        }
    }
    Py_INCREF(entry.type);
    ++used_;
    const std::size_t mask = table_.size() - 1;
    std::size_t i = slot_of(entry.type, mask);
    while (table_[i].type != nullptr) i = (i + 1) & mask;
    table_[i] = entry;
    return &table_[i];
}

}  // namespace lamina::python
