// Compiles every public header as C++20, and passes types of that standard to Span.
#include <array>
#include <span>
#include <type_traits>
#include <vector>

#include "nablafit/batch.hpp"
#include "nablafit/build_info.hpp"
#include "nablafit/builder.hpp"
#include "nablafit/digest.hpp"
#include "nablafit/error.hpp"
#include "nablafit/export.hpp"
#include "nablafit/find_minima.hpp"
#include "nablafit/function.hpp"
#include "nablafit/hyper_dual.hpp"
#include "nablafit/io/hs3.hpp"
#include "nablafit/io/pyhf.hpp"
#include "nablafit/io/workspace.hpp"
#include "nablafit/likelihood.hpp"
#include "nablafit/minimize.hpp"
#include "nablafit/model.hpp"
#include "nablafit/profile.hpp"
#include "nablafit/relax.hpp"
#include "nablafit/span.hpp"
#include "nablafit/spec.hpp"
#include "nablafit/toys.hpp"
#include "nablafit/version.hpp"

template <typename From>
constexpr bool reads = std::is_convertible_v<From, nablafit::Span<const double>>;
template <typename From>
constexpr bool writes = std::is_convertible_v<From, nablafit::Span<double>>;

static_assert(reads<const std::vector<double>&> && reads<std::span<const double>>);
static_assert(reads<const std::array<double, 3>&> && reads<const double (&)[3]>);
static_assert(reads<nablafit::Span<double>>);
static_assert(writes<std::vector<double>&> && writes<std::span<double>>);
static_assert(!writes<const std::vector<double>&> && !writes<std::span<const double>>);
static_assert(!reads<const std::vector<float>&> && !reads<double>);
