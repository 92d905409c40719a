// Every operation of ops.h: MELGRAD_OP(name, (parameters), (arguments)). Included in the body of each class
// that overrides them all, so that a new operation is declared here once: as declarations, or as what
// MELGRAD_OP is defined to be before. No include guard: it belongs to whoever includes it.
#ifndef MELGRAD_OP
#define MELGRAD_OP(name, parameters, arguments) void name parameters override;
#endif

MELGRAD_OP(fill, (Out y, float value), (y, value))
MELGRAD_OP(add, (Tensor x, Grad y), (x, y))
MELGRAD_OP(activation_forward, (Tensor x, Activation f, Out y), (x, f, y))
MELGRAD_OP(activation_backward, (Tensor x, Tensor y, Tensor dy, Activation f, Grad dx), (x, y, dy, f, dx))
MELGRAD_OP(dropout_forward, (Tensor x, const Dropout& dropout, Out y), (x, dropout, y))
MELGRAD_OP(dropout_backward, (Tensor dy, const Dropout& dropout, Grad dx), (dy, dropout, dx))
MELGRAD_OP(linear_forward, (Tensor x, Tensor w, Tensor b, Out y), (x, w, b, y))
MELGRAD_OP(linear_backward_input, (Tensor dy, Tensor w, Grad dx), (dy, w, dx))
MELGRAD_OP(linear_backward_params, (Tensor x, Tensor dy, Grad dw, Grad db), (x, dy, dw, db))
MELGRAD_OP(conv2d_forward, (Tensor x, Tensor w, Tensor b, const Conv2d& conv, Out y), (x, w, b, conv, y))
MELGRAD_OP(conv2d_backward_input, (Tensor dy, Tensor w, const Conv2d& conv, Grad dx), (dy, w, conv, dx))
MELGRAD_OP(conv2d_backward_params, (Tensor x, Tensor dy, const Conv2d& conv, Grad dw, Grad db),
           (x, dy, conv, dw, db))
MELGRAD_OP(max_pool_forward, (Tensor x, const Pool2d& pool, Out y, Out argmax), (x, pool, y, argmax))
MELGRAD_OP(max_pool_backward, (Tensor dy, Tensor argmax, const Pool2d& pool, Grad dx), (dy, argmax, pool, dx))
MELGRAD_OP(global_max_forward, (Tensor x, Tensor lengths, Out y, Out argmax), (x, lengths, y, argmax))
MELGRAD_OP(global_max_backward, (Tensor dy, Tensor argmax, Grad dx), (dy, argmax, dx))
MELGRAD_OP(global_mean_forward, (Tensor x, Tensor lengths, Out y), (x, lengths, y))
MELGRAD_OP(global_mean_backward, (Tensor dy, Tensor lengths, Grad dx), (dy, lengths, dx))
MELGRAD_OP(attention_pool_forward, (Tensor x, Tensor scores, Out weights, Out y), (x, scores, weights, y))
MELGRAD_OP(attention_pool_backward, (Tensor x, Tensor weights, Tensor dy, Grad dx, Grad dscores),
           (x, weights, dy, dx, dscores))
MELGRAD_OP(batch_norm_forward,
           (Tensor x, Tensor gamma, Tensor beta, const BatchNorm& norm, Out y, Out mean, Out scale,
            InOut running_mean, InOut running_variance),
           (x, gamma, beta, norm, y, mean, scale, running_mean, running_variance))
MELGRAD_OP(batch_norm_inference,
           (Tensor x, Tensor gamma, Tensor beta, Tensor running_mean, Tensor running_variance, float epsilon,
            Out y),
           (x, gamma, beta, running_mean, running_variance, epsilon, y))
MELGRAD_OP(batch_norm_backward,
           (Tensor x, Tensor gamma, Tensor mean, Tensor scale, Tensor dy, Grad dx, Grad dgamma, Grad dbeta),
           (x, gamma, mean, scale, dy, dx, dgamma, dbeta))
MELGRAD_OP(scale_channels_forward, (Tensor x, Tensor g, Out y), (x, g, y))
MELGRAD_OP(scale_channels_backward, (Tensor x, Tensor g, Tensor dy, Grad dx, Grad dg), (x, g, dy, dx, dg))
MELGRAD_OP(copy_columns,
           (Tensor from, std::int64_t from_column, InOut to, std::int64_t to_column, std::int64_t columns,
            Write write),
           (from, from_column, to, to_column, columns, write))
MELGRAD_OP(swap_axes, (Tensor x, Grad y), (x, y))
MELGRAD_OP(recurrent_forward,
           (Tensor x, Tensor u, Tensor b, const Recurrent& recurrent, Out states, Out saved),
           (x, u, b, recurrent, states, saved))
MELGRAD_OP(recurrent_backward,
           (Tensor u, const Recurrent& recurrent, Tensor states, Tensor saved, Tensor dstates, Out dx,
            Grad du, Grad db),
           (u, recurrent, states, saved, dstates, dx, du, db))
MELGRAD_OP(stem_forward, (Tensor x, Tensor w, Tensor b, const Pool2d& pool, Out y, Out argmax),
           (x, w, b, pool, y, argmax))
MELGRAD_OP(stem_backward_params,
           (Tensor x, Tensor y, Tensor argmax, Tensor dy, const Pool2d& pool, Grad dw, Grad db),
           (x, y, argmax, dy, pool, dw, db))
MELGRAD_OP(softmax_forward, (Tensor logits, Out probs), (logits, probs))
MELGRAD_OP(cross_entropy_forward,
           (Tensor logits, Tensor labels, Tensor weights, Out probs, Out loss, Out hits),
           (logits, labels, weights, probs, loss, hits))
MELGRAD_OP(cross_entropy_backward, (Tensor probs, Tensor labels, Tensor weights, Tensor dloss, Grad dlogits),
           (probs, labels, weights, dloss, dlogits))
MELGRAD_OP(sigmoid_cross_entropy_forward,
           (Tensor logits, Tensor targets, Tensor weights, Tensor tag_weights, Out probs, Out loss, Out hits),
           (logits, targets, weights, tag_weights, probs, loss, hits))
MELGRAD_OP(sigmoid_cross_entropy_backward,
           (Tensor probs, Tensor targets, Tensor weights, Tensor tag_weights, Tensor dloss, Grad dlogits),
           (probs, targets, weights, tag_weights, dloss, dlogits))
MELGRAD_OP(l2_penalty_forward, (Tensor w, float lambda, Grad loss), (w, lambda, loss))
MELGRAD_OP(l2_penalty_backward, (Tensor w, float lambda, Tensor dloss, Grad dw), (w, lambda, dloss, dw))
MELGRAD_OP(sgd_update,
           (InOut w, Tensor g, InOut v, Tensor rate, Tensor scale, float momentum, bool nesterov, float l2),
           (w, g, v, rate, scale, momentum, nesterov, l2))
MELGRAD_OP(adam_update,
           (InOut w, Tensor g, InOut m, InOut v, Tensor rate, Tensor scale, Tensor counter, float beta1,
            float beta2, float epsilon, float decay, float l2),
           (w, g, m, v, rate, scale, counter, beta1, beta2, epsilon, decay, l2))
MELGRAD_OP(adadelta_update,
           (InOut w, Tensor g, InOut a, InOut d, Tensor rate, Tensor scale, float rho, float epsilon),
           (w, g, a, d, rate, scale, rho, epsilon))
MELGRAD_OP(gradient_norm, (Tensor g, float max_norm, Out norm), (g, max_norm, norm))
MELGRAD_OP(average, (Tensor x, const Averaging& averaging, InOut mean), (x, averaging, mean))
MELGRAD_OP(learning_rate, (const Schedule& schedule, Tensor counter, Out rate), (schedule, counter, rate))
MELGRAD_OP(advance, (InOut counter, std::int64_t by), (counter, by))
MELGRAD_OP(record, (Tensor x, Tensor counter, std::int64_t column, InOut log), (x, counter, column, log))
MELGRAD_OP(pick_batch, (const BatchPlan& plan, std::int64_t frames, Out first, Out labels, Out weights),
           (plan, frames, first, labels, weights))
MELGRAD_OP(gather_segments, (Tensor table, Tensor first, Out x), (table, first, x))
MELGRAD_OP(gather_labels, (Tensor table, Tensor track, Out targets), (table, track, targets))
MELGRAD_OP(resample, (Tensor x, const Resample& resample, Out y), (x, resample, y))
MELGRAD_OP(augment, (Tensor x, const Augment& augment, Out y), (x, augment, y))
MELGRAD_OP(mix_examples, (Tensor x, const Mixup& mixup, Out y), (x, mixup, y))
MELGRAD_OP(beside_mean, (Tensor x, Tensor mean, float scale, Out y), (x, mean, scale, y))
MELGRAD_OP(standardise, (Tensor x, Tensor mean, Tensor scale, Out y), (x, mean, scale, y))
MELGRAD_OP(harmonic_filters_forward, (Tensor centres, Tensor q, float hz_per_bin, Out w),
           (centres, q, hz_per_bin, w))
MELGRAD_OP(harmonic_filters_backward, (Tensor centres, Tensor q, float hz_per_bin, Tensor dw, Grad dq),
           (centres, q, hz_per_bin, dw, dq))
MELGRAD_OP(log_mel, (Tensor pcm, const MelTables& mel, Out y), (pcm, mel, y))

#undef MELGRAD_OP
