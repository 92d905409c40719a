// Every operation of ops.h as an override: included in the body of each class that implements them all, so
// that a new operation is declared here once. No include guard: it belongs to whoever includes it.
void fill(Tensor y, float value) override;
void add(Tensor x, Tensor y, Write write) override;
void relu_forward(Tensor x, Tensor y) override;
void relu_backward(Tensor y, Tensor dy, Tensor dx, Write write) override;
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
void stem_forward(Tensor x, Tensor w, Tensor b, const Pool2d& pool, Tensor y, Tensor argmax) override;
void stem_backward_params(Tensor x, Tensor y, Tensor argmax, Tensor dy, const Pool2d& pool, Tensor dw,
                          Tensor db, Write write) override;
void softmax_forward(Tensor logits, Tensor probs) override;
void cross_entropy_forward(Tensor logits, Tensor labels, Tensor weights, Tensor probs, Tensor loss,
                           Tensor hits) override;
void cross_entropy_backward(Tensor probs, Tensor labels, Tensor weights, Tensor dloss, Tensor dlogits,
                            Write write) override;
void l2_penalty_forward(Tensor w, float lambda, Tensor loss, Write write) override;
void l2_penalty_backward(Tensor w, float lambda, Tensor dloss, Tensor dw, Write write) override;
void sgd_update(Tensor w, Tensor g, Tensor v, Tensor rate, Tensor scale, float momentum,
                bool nesterov) override;
void adam_update(Tensor w, Tensor g, Tensor m, Tensor v, Tensor rate, Tensor scale, Tensor counter,
                 float beta1, float beta2, float epsilon, float decay) override;
void adadelta_update(Tensor w, Tensor g, Tensor a, Tensor d, Tensor rate, Tensor scale, float rho,
                     float epsilon) override;
void gradient_norm(Tensor g, float max_norm, Tensor norm) override;
void learning_rate(const Schedule& schedule, Tensor counter, Tensor rate) override;
void advance(Tensor counter, std::int64_t by) override;
void record(Tensor x, Tensor counter, std::int64_t column, Tensor log) override;
void pick_batch(const BatchPlan& plan, std::int64_t frames, Tensor first, Tensor labels,
                Tensor weights) override;
void gather_segments(Tensor table, Tensor first, Tensor x) override;
void standardise(Tensor x, Tensor mean, Tensor scale, Tensor y) override;
void log_mel(Tensor pcm, const MelTables& mel, Tensor y) override;
