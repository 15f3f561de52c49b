/* Kernels of custom operators: the C interface between Lamina and a function of yours.
 *
 *     #include <lamina/kernel.h>
 *
 *     LAMINA_EXPORT int32_t twice_f32(const LaminaCall *call) {
 *         const float *x = (const float *)call->inputs[0].data;
 *         float *y = (float *)call->outputs[0].data;
 *         int64_t n = call->inputs[0].bytes / (int64_t)sizeof(float);
 *         for (int64_t i = 0; i < n; ++i) y[i] = 2 * x[i];
 *         return 0;
 *     }
 *
 * The folder is `lamina.include_dir()`; nothing has to be linked. In Python, `lamina.custom_op`
 * declares the operator and `register_kernel` gives it such a function.
 *
 * What a kernel may rely on: the operands and results have the shapes and dtypes of the operator's
 * type rule, which has run before. All memory belongs to Lamina and is valid during the call only.
 * Inputs are read-only, outputs are not initialised and overlap nothing; a tensor without elements
 * may have a null pointer.
 *
 * What it must keep to: write every element of every output; touch nothing else; throw no C++
 * exception. Calls come from any thread, several at a time, and without Python's lock, unless the
 * kernel was registered with `thread_safe=False`: then they come one at a time.
 *
 * Stability: fields of LaminaCall are only ever added at its end, with a higher LAMINA_ABI_VERSION;
 * the other structures and all numbers stay as they are.
 */
#ifndef LAMINA_KERNEL_H
#define LAMINA_KERNEL_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define LAMINA_ABI_VERSION 1

#ifdef __cplusplus
#define LAMINA_EXTERN_C extern "C"
#else
#define LAMINA_EXTERN_C
#endif
#ifdef _WIN32
#define LAMINA_EXPORT LAMINA_EXTERN_C __declspec(dllexport)
#else
#define LAMINA_EXPORT LAMINA_EXTERN_C __attribute__((visibility("default")))
#endif

/* Element types. A boolean takes one byte, 0 or 1; complex numbers are (real, imaginary). */
enum {
    LAMINA_BOOL = 1,
    LAMINA_INT8 = 2,
    LAMINA_INT16 = 3,
    LAMINA_INT32 = 4,
    LAMINA_INT64 = 5,
    LAMINA_UINT8 = 6,
    LAMINA_UINT16 = 7,
    LAMINA_UINT32 = 8,
    LAMINA_UINT64 = 9,
    LAMINA_FLOAT16 = 10,
    LAMINA_BFLOAT16 = 11,
    LAMINA_FLOAT32 = 12,
    LAMINA_FLOAT64 = 13,
    LAMINA_COMPLEX64 = 14,
    LAMINA_COMPLEX128 = 15,
    LAMINA_FLOAT8_E4M3FN = 16,
    LAMINA_FLOAT8_E5M2 = 17
};

/* An operand or result of one example. */
typedef struct LaminaTensor {
    void *data;             /* row-major without gaps, aligned for its element type */
    const int64_t *shape;   /* sizes of `rank` axes */
    const int64_t *strides; /* in elements */
    int64_t bytes;          /* of all elements of one example */
    int64_t row_bytes;      /* to the next example; 0 for an operand that all examples share */
    int32_t rank;
    int32_t dtype;
} LaminaTensor;

enum { LAMINA_CPU = 1 };

enum { LAMINA_INTEGERS = 1, LAMINA_REALS = 2, LAMINA_TEXT = 3 };

/* A keyword argument of the operator. None is no attribute, a boolean is an integer. */
typedef struct LaminaAttribute {
    const char *name;
    const void *data; /* int64_t[count], double[count], or char[count] and a zero */
    int64_t count;
    int32_t kind;
    int32_t reserved;
} LaminaAttribute;

typedef struct LaminaCall {
    int32_t version; /* LAMINA_ABI_VERSION of the Lamina that calls */
    int32_t device;
    const LaminaTensor *inputs;
    const LaminaTensor *outputs;
    int32_t input_count;
    int32_t output_count;
    int64_t rows; /* how many examples: 1, unless the kernel was registered with `batched=True` */
    void *workspace; /* as many bytes as registered, 64-byte aligned; null for none */
    int64_t workspace_bytes;
    const LaminaAttribute *attributes;
    int32_t attribute_count;
    int32_t threads; /* how many threads the kernel may use: 1 where Lamina uses the others */
    void *stream;    /* where to queue work on devices that have streams; null on LAMINA_CPU */
    char *message;   /* what went wrong, if the kernel returns anything but 0 */
    int64_t message_bytes;
} LaminaCall;

/* A kernel: 0, or a number of yours for what went wrong. */
typedef int32_t (*LaminaKernel)(const LaminaCall *call);

/* End the kernel with an error: `return lamina_fail(call, 2, "x has no elements");` */
static inline int32_t lamina_fail(const LaminaCall *call, int32_t code, const char *message) {
    snprintf(call->message, (size_t)call->message_bytes, "%s", message);
    return code != 0 ? code : -1;
}

/* The attribute of this name, or null. */
static inline const LaminaAttribute *lamina_attribute(const LaminaCall *call, const char *name) {
    for (int32_t i = 0; i < call->attribute_count; ++i) {
        if (strcmp(call->attributes[i].name, name) == 0) return &call->attributes[i];
    }
    return 0;
}

/* An attribute that is one number, or `otherwise` where there is none of this name. */
static inline double lamina_real(const LaminaCall *call, const char *name, double otherwise) {
    const LaminaAttribute *found = lamina_attribute(call, name);
    if (found == 0 || found->count < 1 || found->kind == LAMINA_TEXT) return otherwise;
    if (found->kind == LAMINA_REALS) return *(const double *)found->data;
    return (double)*(const int64_t *)found->data;
}

static inline int64_t lamina_integer(const LaminaCall *call, const char *name, int64_t otherwise) {
    const LaminaAttribute *found = lamina_attribute(call, name);
    const int usable = found != 0 && found->count > 0 && found->kind == LAMINA_INTEGERS;
    return usable ? *(const int64_t *)found->data : otherwise;
}

#endif
