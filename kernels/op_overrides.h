// Every operation of ops.h as an override: included in the body of each class that implements them all, so
// that a new operation is declared here once. No include guard: it belongs to whoever includes it.
void fill(Tensor y, float value) override;
void add(Tensor x, Tensor y, Write write) override;
void activation_forward(Tensor x, Activation f, Tensor y) override;
void activation_backward(Tensor y, Tensor dy, Activation f, Tensor dx, Write write) override;
void dropout_forward(Tensor x, const Dropout& dropout, Tensor y) override;
void dropout_backward(Tensor dy, const Dropout& dropout, Tensor dx, Write write) override;
void linear_forward(Tensor x, Tensor w, Tensor b, Tensor y) override;
void linear_backward_input(Tensor dy, Tensor w, Tensor dx, Write write) override;
void linear_backward_params(Tensor x, Tensor dy, Tensor dw, Tensor db, Write write) override;
void conv2d_forward(Tensor x, Tensor w, Tensor b, const Conv2d& conv, Tensor y) override;
void conv2d_backward_input(Tensor dy, Tensor w, const Conv2d& conv, Tensor dx, Write write) override;
void conv2d_backward_params(Tensor x, Tensor dy, const Conv2d& conv, Tensor dw, Tensor db,
                            Write write) override;
void max_pool_forward(Tensor x, const Pool2d& pool, Tensor y, Tensor argmax) override;
void max_pool_backward(Tensor dy, Tensor argmax, const Pool2d& pool, Tensor dx, Write write) override;
void global_max_forward(Tensor x, Tensor lengths, Tensor y, Tensor argmax) override;
void global_max_backward(Tensor dy, Tensor argmax, Tensor dx, Write write) override;
void global_mean_forward(Tensor x, Tensor lengths, Tensor y) override;
void global_mean_backward(Tensor dy, Tensor lengths, Tensor dx, Write write) override;
void batch_norm_forward(Tensor x, Tensor gamma, Tensor beta, const BatchNorm& norm, Tensor y, Tensor mean,
                        Tensor scale, Tensor running_mean, Tensor running_variance) override;
void batch_norm_inference(Tensor x, Tensor gamma, Tensor beta, Tensor running_mean, Tensor running_variance,
                          float epsilon, Tensor y) override;
void batch_norm_backward(Tensor x, Tensor gamma, Tensor mean, Tensor scale, Tensor dy, Tensor dx,
                         Write write_dx, Tensor dgamma, Tensor dbeta, Write write_params) override;
void scale_channels_forward(Tensor x, Tensor g, Tensor y) override;
void scale_channels_backward(Tensor x, Tensor g, Tensor dy, Tensor dx, Write write_dx, Tensor dg,
                             Write write_dg) override;
void copy_columns(Tensor from, std::int64_t from_column, Tensor to, std::int64_t to_column,
                  std::int64_t columns, Write write) override;
void swap_axes(Tensor x, Tensor y, Write write) override;
void recurrent_forward(Tensor x, Tensor u, Tensor b, const Recurrent& recurrent, Tensor states,
                       Tensor saved) override;
void recurrent_backward(Tensor u, const Recurrent& recurrent, Tensor states, Tensor saved, Tensor dstates,
                        Tensor dx, Tensor du, Tensor db, Write write) override;
void stem_forward(Tensor x, Tensor w, Tensor b, const Pool2d& pool, Tensor y, Tensor argmax) override;
void stem_backward_params(Tensor x, Tensor y, Tensor argmax, Tensor dy, const Pool2d& pool, Tensor dw,
                          Tensor db, Write write) override;
void softmax_forward(Tensor logits, Tensor probs) override;
void cross_entropy_forward(Tensor logits, Tensor labels, Tensor weights, Tensor probs, Tensor loss,
                           Tensor hits) override;
void cross_entropy_backward(Tensor probs, Tensor labels, Tensor weights, Tensor dloss, Tensor dlogits,
                            Write write) override;
void sigmoid_cross_entropy_forward(Tensor logits, Tensor targets, Tensor weights, Tensor tag_weights,
                                   Tensor probs, Tensor loss, Tensor hits) override;
void sigmoid_cross_entropy_backward(Tensor probs, Tensor targets, Tensor weights, Tensor tag_weights,
                                    Tensor dloss, Tensor dlogits, Write write) override;
void l2_penalty_forward(Tensor w, float lambda, Tensor loss, Write write) override;
void l2_penalty_backward(Tensor w, float lambda, Tensor dloss, Tensor dw, Write write) override;
void sgd_update(Tensor w, Tensor g, Tensor v, Tensor rate, Tensor scale, float momentum, bool nesterov,
                float l2) override;
void adam_update(Tensor w, Tensor g, Tensor m, Tensor v, Tensor rate, Tensor scale, Tensor counter,
                 float beta1, float beta2, float epsilon, float decay, float l2) override;
void adadelta_update(Tensor w, Tensor g, Tensor a, Tensor d, Tensor rate, Tensor scale, float rho,
                     float epsilon) override;
void gradient_norm(Tensor g, float max_norm, Tensor norm) override;
void learning_rate(const Schedule& schedule, Tensor counter, Tensor rate) override;
void advance(Tensor counter, std::int64_t by) override;
void record(Tensor x, Tensor counter, std::int64_t column, Tensor log) override;
void pick_batch(const BatchPlan& plan, std::int64_t frames, Tensor first, Tensor labels,
                Tensor weights) override;
void gather_segments(Tensor table, Tensor first, Tensor x) override;
void gather_labels(Tensor table, Tensor track, Tensor targets) override;
void augment(Tensor x, const Augment& augment, Tensor y) override;
void mix_examples(Tensor x, const Mixup& mixup, Tensor y) override;
void standardise(Tensor x, Tensor mean, Tensor scale, Tensor y) override;
void harmonic_filters_forward(Tensor centres, Tensor q, float hz_per_bin, Tensor w) override;
void harmonic_filters_backward(Tensor centres, Tensor q, float hz_per_bin, Tensor dw, Tensor dq,
                               Write write) override;
void log_mel(Tensor pcm, const MelTables& mel, Tensor y) override;
