/// \file
/// Symbols that a shared library of nablafit exports: those marked NABLAFIT_API, and exceptions.
///
/// Programs that use shared libraries get NABLAFIT_SHARED from the CMake target or from pkg-config.
/// Static libraries are compiled with hidden symbols, so that a plugin that links one does not
/// expose them to other plugins.
#ifndef NABLAFIT_EXPORT_HPP
#define NABLAFIT_EXPORT_HPP

#if defined(NABLAFIT_SHARED) && defined(_WIN32)
#if defined(NABLAFIT_BUILDING)
#define NABLAFIT_API __declspec(dllexport)
#else
#define NABLAFIT_API __declspec(dllimport)
#endif
#elif defined(NABLAFIT_SHARED) && defined(__GNUC__)
#define NABLAFIT_API __attribute__((visibility("default")))
#else
#define NABLAFIT_API
#endif

/// For exception classes: visible in every kind of library, because what is thrown in one shared
/// object must be recognised in another.
#if defined(__GNUC__) && !defined(_WIN32)
#define NABLAFIT_EXCEPTION __attribute__((visibility("default")))
#else
#define NABLAFIT_EXCEPTION
#endif

#endif  // NABLAFIT_EXPORT_HPP
