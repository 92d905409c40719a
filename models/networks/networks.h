// The networks by name; each file opens with its table of shapes.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "models/networks/model.h"
#include "models/networks/options.h"

namespace melgrad {

// Throws Error (usage) for an unknown architecture or an input that is too small for it. Parameters are
// declared, not yet allocated.
std::unique_ptr<Model> make_model(const ModelOptions& options, const InputShape& input, std::int64_t classes);
std::vector<std::string> model_names();

std::unique_ptr<Model> make_dong2018(const ModelOptions&, const InputShape&, std::int64_t classes);

// The study of eight on raw samples (cnn1d.cpp) and spectrograms (cnn2d.cpp).
std::unique_ptr<Model> make_cnn1d(const ModelOptions&, const InputShape&, std::int64_t classes);
std::unique_ptr<Model> make_cnn1d_recurrent(const ModelOptions&, const InputShape&, std::int64_t classes,
                                            Cell);
std::unique_ptr<Model> make_cnn1d_chunks(const ModelOptions&, const InputShape&, std::int64_t classes);
std::unique_ptr<Model> make_cnn2d(const ModelOptions&, const InputShape&, std::int64_t classes, Cell);

// What its results stand beside (Won et al. 2020, arXiv 2006.00751, and what that paper compares).
std::unique_ptr<Model> make_fcn(const ModelOptions&, const InputShape&, std::int64_t classes);
std::unique_ptr<Model> make_crnn(const ModelOptions&, const InputShape&, std::int64_t classes);
std::unique_ptr<Model> make_musicnn(const ModelOptions&, const InputShape&, std::int64_t classes);
std::unique_ptr<Model> make_musicnn_2019(const ModelOptions&, const InputShape&, std::int64_t classes);
std::unique_ptr<Model> make_vgg_2019(const ModelOptions&, const InputShape&, std::int64_t classes);
std::unique_ptr<Model> make_sample_cnn(const ModelOptions&, const InputShape&, std::int64_t classes);
std::unique_ptr<Model> make_sample_cnn_se(const ModelOptions&, const InputShape&, std::int64_t classes);
std::unique_ptr<Model> make_short_chunk(const ModelOptions&, const InputShape&, std::int64_t classes);
std::unique_ptr<Model> make_short_chunk_res(const ModelOptions&, const InputShape&, std::int64_t classes);
std::unique_ptr<Model> make_harmonic(const ModelOptions&, const InputShape&, std::int64_t classes);

// For genres: small, for data sets of a thousand tracks.
std::unique_ptr<Model> make_resnet_se(const ModelOptions&, const InputShape&, std::int64_t classes);
std::unique_ptr<Model> make_modulation(const ModelOptions&, const InputShape&, std::int64_t classes);

// Of embeddings (models/embeddings/probe.h).
std::unique_ptr<Model> make_mlp(const ModelOptions&, const InputShape&, std::int64_t classes);

}  // namespace melgrad
