/* Kernels of tests/tensor/test_custom_op.py. */
#include <lamina/kernel.h>

#include <stddef.h>

/* y = scale x^2, made in the workspace first. */
#define SQUARE(name, type, reader)                                                    \
    LAMINA_EXPORT int32_t name(const LaminaCall *call) {                              \
        const type *x = (const type *)call->inputs[0].data;                           \
        type *y = (type *)call->outputs[0].data;                                      \
        type *area = (type *)call->workspace;                                         \
        const type scale = (type)reader(call, "scale", 1);                            \
        const int64_t n = call->inputs[0].bytes / (int64_t)sizeof(type);              \
        if (call->workspace_bytes < call->inputs[0].bytes) return lamina_fail(call, 2, "space"); \
        if ((uintptr_t)area % 64) return lamina_fail(call, 3, "workspace not aligned"); \
        for (int64_t i = 0; i < n; ++i) {                                             \
            if (x[i] < 0) return lamina_fail(call, 7, "x is negative");               \
            area[i] = x[i] * x[i];                                                    \
        }                                                                             \
        for (int64_t i = 0; i < n; ++i) y[i] = scale * area[i];                       \
        return 0;                                                                     \
    }
SQUARE(square_float32, float, lamina_real)
SQUARE(square_float64, double, lamina_real)
SQUARE(square_int64, int64_t, lamina_integer)

/* What the kernel is told: addresses, shape, strides, dtype, rank, rows, counts, version. */
LAMINA_EXPORT int32_t told(const LaminaCall *call) {
    const LaminaTensor *x = &call->inputs[0];
    int64_t *y = (int64_t *)call->outputs[0].data;
    const int64_t seen[12] = {(int64_t)(uintptr_t)x->data, x->rank, x->shape[0], x->shape[1],
                              x->strides[0], x->strides[1], x->dtype, x->bytes, call->rows,
                              call->input_count, call->output_count, call->version};
    memcpy(y, seen, sizeof seen);
    return call->device == LAMINA_CPU && call->stream == 0 ? 0 : 1;
}

/* Sums of each example with what all share; takes many examples at once. */
LAMINA_EXPORT int32_t add_rows(const LaminaCall *call) {
    const LaminaTensor *x = &call->inputs[0], *y = &call->inputs[1], *z = &call->outputs[0];
    for (int64_t r = 0; r < call->rows; ++r) {
        const double *a = (const double *)((const char *)x->data + r * x->row_bytes);
        const double *b = (const double *)((const char *)y->data + r * y->row_bytes);
        double *c = (double *)((char *)z->data + r * z->row_bytes);
        for (int64_t i = 0; i < x->shape[0]; ++i) c[i] = a[i] + b[i];
    }
    return 0;
}

static int32_t inside = 0, worst = 0;

/* Not thread-safe: it notes whether a second call is under way. The second result is a complex. */
LAMINA_EXPORT int32_t alone(const LaminaCall *call) {
    const int32_t now = __atomic_add_fetch(&inside, 1, __ATOMIC_SEQ_CST);
    if (now > worst) worst = now;
    for (volatile int i = 0; i < 20000; ++i) {
    }
    *(double *)call->outputs[0].data = *(const double *)call->inputs[0].data;
    *(int64_t *)call->outputs[1].data = worst;
    __atomic_sub_fetch(&inside, 1, __ATOMIC_SEQ_CST);
    return 0;
}

/* conj(x), and how long the text attribute is, or what the list sums to. */
LAMINA_EXPORT int32_t conjugate(const LaminaCall *call) {
    const double *x = (const double *)call->inputs[0].data;
    double *y = (double *)call->outputs[0].data;
    const int64_t n = call->inputs[0].bytes / 16;
    const LaminaAttribute *mode = lamina_attribute(call, "mode");
    const LaminaAttribute *weights = lamina_attribute(call, "weights");
    double total = mode == 0 ? -1 : (double)strlen((const char *)mode->data);
    for (int64_t i = 0; weights != 0 && i < weights->count; ++i) {
        total += ((const double *)weights->data)[i];
    }
    for (int64_t i = 0; i < n; ++i) {
        y[2 * i] = x[2 * i];
        y[2 * i + 1] = -x[2 * i + 1];
    }
    *(double *)call->outputs[1].data = total;
    return call->inputs[0].dtype == LAMINA_COMPLEX128 ? 0 : 1;
}

/* Sizes and offsets of the interface. */
LAMINA_EXPORT void layout(int64_t *found) {
    const int64_t seen[] = {
        sizeof(LaminaTensor), offsetof(LaminaTensor, row_bytes), offsetof(LaminaTensor, dtype),
        sizeof(LaminaAttribute), offsetof(LaminaAttribute, count), sizeof(LaminaCall),
        offsetof(LaminaCall, rows), offsetof(LaminaCall, workspace),
        offsetof(LaminaCall, attributes), offsetof(LaminaCall, threads),
        offsetof(LaminaCall, message), offsetof(LaminaCall, message_bytes)};
    memcpy(found, seen, sizeof seen);
}
