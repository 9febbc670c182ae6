#pragma once

// The only file that knows which oneDNN it is built with: 2.6 (Debian 12)
// describes an operation first and makes a primitive descriptor of that, 3.x
// (Debian 13) does both in one call. Everything the engine uses beside these
// functions is the same in both. Functions throw dnnl::error, as the library
// does; CallOneDnn() of onednn_status.h makes a Status of it.

#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/types/span.h"

namespace resnetd {

struct ConvolutionDescs {
  dnnl::memory::desc source;
  dnnl::memory::desc weights;
  // A zero descriptor: without bias.
  dnnl::memory::desc bias;
  dnnl::memory::desc destination;
  dnnl::memory::dim stride = 1;
  dnnl::memory::dim padding = 0;
};

// Direct algorithm, inference. What is done by minimal filtering is ours:
// winograd.h.
dnnl::primitive_desc MakeConvolution(const dnnl::engine& engine,
                                     const ConvolutionDescs& descs,
                                     const dnnl::primitive_attr& attr);

struct PoolingDescs {
  // pooling_max or pooling_avg_exclude_padding.
  dnnl::algorithm algorithm = dnnl::algorithm::pooling_max;
  dnnl::memory::desc source;
  dnnl::memory::desc destination;
  dnnl::memory::dims kernel;
  dnnl::memory::dims stride;
  dnnl::memory::dims padding;
};

dnnl::primitive_desc MakePooling(const dnnl::engine& engine,
                                 const PoolingDescs& descs,
                                 const dnnl::primitive_attr& attr);

// relu((x - mean) / sqrt(variance) * scale + shift), everything given.
dnnl::primitive_desc MakeScaleShiftRelu(const dnnl::engine& engine,
                                        const dnnl::memory::desc& data,
                                        const dnnl::primitive_attr& attr);

struct InnerProductDescs {
  dnnl::memory::desc source;
  dnnl::memory::desc weights;
  dnnl::memory::desc bias;
  dnnl::memory::desc destination;
};

dnnl::primitive_desc MakeInnerProduct(const dnnl::engine& engine,
                                      const InnerProductDescs& descs,
                                      const dnnl::primitive_attr& attr);

void AppendRelu(dnnl::post_ops& post_ops);
// Adds `scale` times what the destination holds, read as `type`.
void AppendSum(dnnl::post_ops& post_ops, float scale,
               dnnl::memory::data_type type);

// How a primitive of bytes makes its results of its sums of products:
//   result = rescale[c] * sum + bias[c], then the other operations behind it.
// The versions of the library take the two numbers in different units and at
// different times. Immutable.
class Rescaling {
 public:
  // One number for each output channel. `grouped`: of a convolution whose
  // weights have a dimension for groups.
  Rescaling(absl::Span<const float> rescale, bool grouped);

  // Before the primitive is made.
  void AddTo(dnnl::primitive_attr& attributes) const;
  // What is bound as the bias of the primitive.
  std::vector<float> BiasOf(absl::Span<const float> bias) const;
  // Further arguments of the primitive, by number.
  std::vector<std::pair<int, dnnl::memory>> Arguments(
      const dnnl::engine& engine) const;

 private:
  std::vector<float> rescale_;
  // Of interest to oneDNN 3.x alone.
  [[maybe_unused]] bool grouped_;
};

// Runs a primitive with arguments put together beforehand: the call of the
// C++ interface makes its list anew each time.
void Execute(const dnnl::primitive& primitive, const dnnl::stream& stream,
             absl::Span<const dnnl_exec_arg_t> arguments);

// An instruction set of the library: a set of features. A is weaker than B when
// A is a proper subset of B.
struct Isa {
  dnnl::cpu_isa value = dnnl::cpu_isa::sse41;
  std::string name;  // as ONEDNN_MAX_CPU_ISA spells it, in lower case
};

bool IsWeaker(dnnl::cpu_isa a, dnnl::cpu_isa b);

// Every instruction set that it makes sense to fall back to, strongest first.
std::vector<Isa> FallbackIsas();

// What the library uses on this machine. After the first call of this or the
// first primitive it cannot be changed any more.
Isa EffectiveIsa();

// Whether the kernels that it uses have vectors of 512 bits. Settles the
// instruction set, too.
bool HasWideVectors();

// Whether they may have AVX2 and fused multiply-adds. Settles the instruction
// set, too.
bool HasAvx2();

// Whether they have instructions that add products of bytes in 32 bits (VNNI);
// the others go by 16 bits. Settles the instruction set, too.
bool HasByteDotProducts();

// False: too late, it is settled.
bool SetMaxIsa(dnnl::cpu_isa isa);

// E.g. "oneDNN 2.6.3".
std::string LibraryVersion();

}  // namespace resnetd
