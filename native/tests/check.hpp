// The smallest test framework: CHECK counts failures, TEST registers a function.
#pragma once

#include <cstdio>

namespace lamina::tests {

struct Test {
    const char* name;
    void (*run)();
    Test* next;
};

inline Test* first_test = nullptr;
inline int failures = 0;

struct Registered {
    Registered(Test& test) {
        test.next = first_test;
        first_test = &test;
    }
};

}  // namespace lamina::tests

#define TEST(name)                                                            \
    static void name();                                                       \
    static lamina::tests::Test name##_entry{#name, name, nullptr};            \
    static const lamina::tests::Registered name##_registered{name##_entry};   \
    static void name()

#define CHECK(condition)                                                      \
    do {                                                                      \
        if (!(condition)) {                                                   \
            std::printf("%s:%d: %s\n", __FILE__, __LINE__, #condition);       \
            ++lamina::tests::failures;                                        \
        }                                                                     \
    } while (false)

#define CHECK_THROWS(expression, Exception)                                   \
    do {                                                                      \
        bool thrown = false;                                                  \
        try {                                                                 \
            static_cast<void>(expression);                                    \
        } catch (const Exception&) {                                          \
            thrown = true;                                                    \
        }                                                                     \
        CHECK(thrown&& #Exception);                                           \
    } while (false)
